// SPDX-License-Identifier: MIT
// Which mappings the network stack can send from without a copy: it needs struct pages that it may
// hold, and a mapping of page frames has none.
#include <cerrno>

#include "labs/02_devmem_mmap/host/bench.hh"
#include "labs/02_devmem_mmap/host/experiments.hh"
#include "labs/common/host/text.hh"

namespace zcl::lab02 {

namespace {

using namespace std::chrono_literals;

constexpr unsigned kBufferPages = 16;

struct Source {
  const char* name;
  std::string file;
  std::uint64_t offset;
  bool has_pages;  ///< expected to be sendable in place
};

}  // namespace

void try_zero_copy_sends(lab::ExperimentContext& context) {
  const auto bytes = context.experiment().parameters.at("sample_bytes").get<std::size_t>();
  auto machine = context.start("edu");
  context.load(machine, "devmem_gate");
  load_driver(context, machine, kBufferPages);
  auto link = context.link(machine, "lan");
  Probe probe(context, machine);
  prepare_network(machine, probe, kPeerMac);
  const auto daq = open_file(probe, "/dev/daq0", "rw");
  const auto memory = open_file(probe, "/dev/mem", "rw");
  const auto buffer = probe.number("area " + daq + " 0", "DAQ_GET_AREA");
  const auto sample = context.random().bytes(bytes);
  probe.must("fill " + daq + " 0 " + to_hex(sample), "writing a pattern to /dev/daq0");

  const std::vector<Source> sources = {
      {"/dev/mem, gate open", memory, buffer, false},
      {"/dev/mem, reserved region", memory, kRegion, false},
      {"mmap, remap_pfn_range", daq, kViewPfn, false},
      {"mmap, fault handler", daq, kViewFault, true},
      {"mmap, vm_insert_page", daq, kViewPages, true},
  };
  std::vector<std::vector<std::string>> table = {{"mapping", "MSG_ZEROCOPY", "vmsplice"}};
  bool as_known = true;
  for (const auto& source : sources) {
    const auto view = map_readable(probe, source.file, source.offset, kPage, "mapping the buffer");
    std::vector<std::string> row = {source.name};
    for (const std::string call : {"send_in_place", "send_by_pipe"}) {
      const auto answer =
          probe.ask(call + " " + kPeerAddress + " " + to_hex(view) + " " + std::to_string(bytes));
      context.metric("error_number", answer.ok ? 0 : answer.error,
                     {{"mapping", source.name},
                      {"call", call == "send_in_place" ? "MSG_ZEROCOPY" : "vmsplice"}});
      bool right = source.has_pages ? answer.ok : answer.error == EFAULT;
      if (answer.ok) {
        const auto frames = receive_payloads(link, 1, base::Deadline("the frame", 20s));
        right = right && frames.size() == 1 && frames[0] == sample;
      }
      as_known = as_known && right;
      row.push_back(answer.ok ? "sent" : answer.error == EFAULT ? "EFAULT" : answer.text);
    }
    table.push_back(row);
  }
  context.transcript(labs::to_table(table));
  context.verdict(
      as_known ? report::ClaimVerdict::qualified : report::ClaimVerdict::refuted,
      as_known ? "Not what it has mapped as page frames: for remap_pfn_range and /dev/mem both "
                 "MSG_ZEROCOPY and vmsplice give EFAULT, because there is no page whose "
                 "reference the network stack could hold. Pages mapped by vm_insert_page or a "
                 "fault handler are sent in place."
               : "The observed errors are in the table; they are not the known ones.");
}

}  // namespace zcl::lab02
