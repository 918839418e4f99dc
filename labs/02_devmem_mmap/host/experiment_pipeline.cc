// SPDX-License-Identifier: MIT
// Device A -> application -> NIC in four ways: where a sample stands after each stage, and what a
// sample costs.
#include <array>

#include "harness/xray/census.hh"
#include "labs/02_devmem_mmap/host/bench.hh"
#include "labs/02_devmem_mmap/host/cost.hh"
#include "labs/02_devmem_mmap/host/experiments.hh"
#include "labs/common/host/text.hh"

namespace zcl::lab02 {

namespace {

using namespace std::chrono_literals;

constexpr unsigned kBufferPages = 16;
constexpr std::uint64_t kBufferBytes = kBufferPages * kPage;
constexpr unsigned kMeasured = 32;  ///< packets

struct Path {
  std::string name;
  std::string way;         ///< of the probe's send_many: copy, map, in_place
  std::string file;        ///< what is mapped
  std::uint64_t offset{};  ///< of the buffer in that file
};

struct Stages {
  std::array<std::size_t, 3> places{};  ///< after acquisition, in the application, after sending
  Cost cost;                            ///< of one packet from buffer to NIC
};

class Pipeline {
 public:
  Pipeline(lab::ExperimentContext& context, vm::Machine& machine, std::size_t sample_bytes)
      : machine_(machine),
        sample_bytes_(sample_bytes),
        content_(context.random().bytes(kDeviceBytes)),
        link_(context.link(machine, "lan")) {
    load_device(context, machine, content_);
    load_driver(context, machine, kBufferPages);
    context.load(machine, "devmem_gate");
  }

  /// Each path has a sample and a page of its own: stale copies of one do not count for another.
  Stages run(Probe& probe, const std::string& daq, const Path& path, unsigned index) {
    const auto sample_at = index * sample_bytes_;
    const auto begin = content_.begin() + static_cast<std::ptrdiff_t>(sample_at);
    const xray::Payload sample(
        base::Bytes(begin, begin + static_cast<std::ptrdiff_t>(sample_bytes_)));
    const auto page = index * kPage;
    const auto bytes = std::to_string(sample_bytes_);
    Stages stages;

    probe.must(
        "acquire " + daq + " 0 " + std::to_string(sample_at) + " " + bytes + " " + to_hex(page),
        "acquiring a sample");
    stages.places[0] = places(sample);
    const auto view =
        map_readable(probe, path.file, path.offset, kBufferBytes, "mapping the buffer");
    auto data = view + page;
    if (path.way == "copy") {
      data = probe.number("anonymous 4096", "allocating memory");
      probe.must("read " + daq + " " + to_hex(page) + " " + bytes + " " + to_hex(data),
                 "reading the sample");
    } else {
      probe.must("sum " + to_hex(data) + " " + bytes, "reading the sample");
    }
    stages.places[1] = places(sample);
    probe.must((path.way == "in_place" ? "send_in_place " : "send ") + std::string(kPeerAddress) +
                   " " + to_hex(data) + " " + bytes,
               "sending the sample");
    const auto sent = receive_payloads(link_, 1, base::Deadline("the sample on the wire", 20s));
    if (sent.size() != 1 || sent[0] != sample.bytes()) {
      throw lab::CheckFailed("The frame on the wire does not carry the sample.");
    }
    stages.places[2] = places(sample);

    stages.cost = cost_of(machine_, probe,
                          "send_many " + path.way + " " + daq + " " + to_hex(view) + " " + bytes +
                              " 0 " + std::to_string(kMeasured) + " " + kPeerAddress,
                          kMeasured);
    receive_payloads(link_, std::size_t{1 + kMeasuredRuns} * kMeasured,
                     base::Deadline("the measured frames", 20s));
    return stages;
  }

 private:
  std::size_t places(const xray::Payload& sample) {
    const Pause pause(machine_);
    return xray::take_census(machine_.memory(), sample).copies();
  }

  vm::Machine& machine_;
  std::size_t sample_bytes_;
  base::Bytes content_;
  wire::Link link_;
};

/// Labels of a figure: which path, and whether freed pages were cleared.
std::map<std::string, std::string> labels_of(const Path& path, bool init_on_free) {
  return {{"path", path.name}, {"init_on_free", init_on_free ? "1" : "0"}};
}

void record(lab::ExperimentContext& context, const Path& path, const Stages& stages,
            bool init_on_free, std::size_t sample_bytes) {
  static constexpr std::array kStages = {"acquired", "in the application", "sent"};
  auto labels = labels_of(path, init_on_free);
  const auto& cost = stages.cost;
  context.metric("instructions_per_packet", cost.instructions, labels);
  context.metric("user_instructions_per_packet", cost.user_instructions, labels);
  context.metric("kernel_instructions_per_packet", cost.kernel_instructions, labels);
  context.metric("instructions_per_byte", cost.instructions / static_cast<double>(sample_bytes),
                 labels);
  context.metric("syscalls_per_packet", cost.system_calls, labels);
  for (std::size_t i = 0; i < stages.places.size(); ++i) {
    labels["stage"] = kStages.at(i);
    context.metric("census_places", static_cast<double>(stages.places[i]), labels);
  }
}

/// All paths on one machine. Freed pages keep their bytes, so that a copy that is already freed
/// still counts; with `init_on_free` only what is in use does.
std::vector<Stages> run_paths(lab::ExperimentContext& context, bool init_on_free,
                              std::string& transcript) {
  const auto sample_bytes = context.experiment().parameters.at("sample_bytes").get<std::size_t>();
  auto machine =
      context.start("edu", [&](vm::MachineSpec& spec) { spec.init_on_free = init_on_free; });
  Pipeline pipeline(context, machine, sample_bytes);
  Probe probe(context, machine);
  prepare_network(machine, probe, kPeerMac);
  const auto daq = open_file(probe, "/dev/daq0", "r");
  const auto memory = open_file(probe, "/dev/mem", "r");
  const auto buffer = probe.number("area " + daq + " 0", "DAQ_GET_AREA");
  const std::vector<Path> paths = {
      {"read, send", "copy", daq, kViewPfn},
      {"/dev/mem, send", "map", memory, buffer},
      {"mmap, send", "map", daq, kViewPfn},
      {"mmap of pages, MSG_ZEROCOPY", "in_place", daq, kViewPages},
  };
  std::vector<std::vector<std::string>> table = {
      {"places", "acquired", "application", "sent", "instr/packet", "syscalls"}};
  std::vector<Stages> all;
  for (unsigned i = 0; i < paths.size(); ++i) {
    const auto stages = pipeline.run(probe, daq, paths[i], i);
    record(context, paths[i], stages, init_on_free, sample_bytes);
    table.push_back({paths[i].name, std::to_string(stages.places[0]),
                     std::to_string(stages.places[1]), std::to_string(stages.places[2]),
                     labs::fixed(stages.cost.instructions, 0),
                     labs::fixed(stages.cost.system_calls, 1)});
    all.push_back(stages);
  }
  transcript +=
      std::string("init_on_free=") + (init_on_free ? "1" : "0") + "\n" + labs::to_table(table);
  return all;
}

}  // namespace

void measure_pipeline(lab::ExperimentContext& context) {
  std::string transcript;
  const auto all = run_paths(context, false, transcript);
  if (context.options().profile == lab::Profile::full) run_paths(context, true, transcript);
  context.transcript(transcript);

  const auto said = [&](std::size_t path) {
    return std::to_string(all[path].places[1]) + " place(s) in the application and " +
           std::to_string(all[path].places[2]) + " once sent";
  };
  const bool saves_one = all[2].places[1] == 1 && all[2].places[2] == 2;
  const bool zero_copy_works = all[3].places[2] == 1;
  const double ratio = all[3].cost.instructions / all[0].cost.instructions;
  context.verdict(
      saves_one && zero_copy_works ? report::ClaimVerdict::qualified
                                   : report::ClaimVerdict::refuted,
      "The mapping removes the first copy only: " + said(2) + " (read: " + said(0) +
          "), because send copies it into a socket buffer. With pages of vm_insert_page and "
          "MSG_ZEROCOPY: " +
          said(3) + ". A sample then costs " + labs::fixed(ratio) +
          " times the instructions of read and send" +
          (ratio > 1 ? ": pinning pages and reporting completions outweighs so small a copy."
                     : "."));
}

}  // namespace zcl::lab02
