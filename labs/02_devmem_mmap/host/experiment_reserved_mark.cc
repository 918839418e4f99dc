// SPDX-License-Identifier: MIT
// SetPageReserved: needed before 2.6.15, not needed today, and harmful where it is left behind.
#include "labs/02_devmem_mmap/host/bench.hh"
#include "labs/02_devmem_mmap/host/experiments.hh"
#include "labs/common/host/text.hh"

namespace zcl::lab02 {

namespace {

constexpr unsigned kBufferPages = 16;
constexpr std::uint64_t kBufferBytes = kBufferPages * kPage;

/// Pages of the buffer that a mapping shows with the right content.
unsigned good_pages(vm::Machine& machine, Probe& probe, const MarkedPages& marks,
                    const std::string& file, std::uint64_t offset) {
  const auto answer = probe.ask("map " + file + " " + to_hex(offset) + " " +
                                std::to_string(kBufferBytes) + " r shared");
  if (!answer.ok) return 0;
  const auto view = std::stoull(answer.text, nullptr, 16);
  unsigned good = 0;
  const Pause pause(machine);
  const auto pages = mapped_pages(machine, probe.pid(), view, kBufferBytes);
  for (std::size_t i = 0; i < pages.size(); ++i) {
    if (marks.stand_at(machine, i, pages[i].physical_address)) ++good;
  }
  return good;
}

struct Buffer {
  const char* name;
  const char* parameters;
};
constexpr Buffer kBuffers[] = {
    {"none", "mark_reserved=0"},
    {"the first", "mark_reserved=1"},
    {"all", "mark_reserved=2"},
    {"the first, of one block", "mark_reserved=1 one_block=1"},
};
constexpr const char* kWays[] = {"/dev/mem, gate open", "remap_pfn_range", "vm_insert_page"};

/// The buffer mapped in three ways; then everything goes.
std::vector<unsigned> map_buffer(lab::ExperimentContext& context, vm::Machine& machine,
                                 const Buffer& how) {
  load_driver(context, machine, kBufferPages, how.parameters);
  const MarkedPages marks(context, kBufferPages);
  Probe probe(context, machine);
  const auto daq = open_file(probe, "/dev/daq0", "rw");
  marks.fill_buffer(probe, daq);
  const auto memory = open_file(probe, "/dev/mem", "r");
  const auto buffer = probe.number("area " + daq + " 0", "DAQ_GET_AREA");
  std::vector<unsigned> good = {good_pages(machine, probe, marks, memory, buffer),
                                good_pages(machine, probe, marks, daq, kViewPfn),
                                good_pages(machine, probe, marks, daq, kViewPages)};
  probe.finish();
  machine.agent().unload_module("daq");
  return good;
}

/// What the kernel says when a block is freed whose first page is still marked; empty: nothing.
std::string free_with_mark(lab::ExperimentContext& context, vm::Machine& machine) {
  try {
    load_driver(context, machine, kBufferPages, "mark_reserved=1 clear_mark=0 one_block=1");
    machine.agent().unload_module("daq");
  } catch (const vm::GuestFault& fault) {
    return fault.report().summary;
  }
  const auto report = machine.alarming();
  return report ? report->summary : std::string();
}

}  // namespace

void show_reserved_mark(lab::ExperimentContext& context) {
  auto machine = context.start("edu");
  context.load(machine, "devmem_gate");
  std::vector<std::vector<std::string>> table = {{"pages marked", kWays[0], kWays[1], kWays[2]}};
  bool all_frames_good = true;
  std::vector<unsigned> inserted;
  for (const auto& buffer : kBuffers) {
    const auto good = map_buffer(context, machine, buffer);
    std::vector<std::string> row = {buffer.name};
    for (std::size_t i = 0; i < good.size(); ++i) {
      context.metric("matches", good[i], {{"way", kWays[i]}, {"marked", buffer.name}});
      row.push_back(std::to_string(good[i]) + " of " + std::to_string(kBufferPages));
    }
    all_frames_good = all_frames_good && good[0] == kBufferPages && good[1] == kBufferPages;
    inserted.push_back(good[2]);
    table.push_back(row);
  }
  const bool quiet_until_now = !machine.alarming();
  const auto complaint = free_with_mark(context, machine);
  context.transcript(labs::to_table(table) + "a block freed with its first page marked: " +
                     (complaint.empty() ? "nothing is said" : complaint) + "\n");
  const bool unnecessary = all_frames_good && quiet_until_now && inserted[0] == kBufferPages;
  context.verdict(
      unnecessary ? report::ClaimVerdict::refuted : report::ClaimVerdict::confirmed,
      "With no page marked, the first, or all, each of three ways shows all " +
          std::to_string(kBufferPages) +
          " pages: nothing asks for the mark since 2.6.15. Of a buffer allocated as one block, as "
          "in the article, vm_insert_page shows " +
          std::to_string(inserted[3]) +
          ": what a page needs to be mapped is a reference count of its own, not a mark. And a "
          "mark left behind when the block is freed: " +
          (complaint.empty() ? std::string("the kernel says nothing.") : "\"" + complaint + "\"."));
}

}  // namespace zcl::lab02
