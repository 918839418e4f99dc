// SPDX-License-Identifier: MIT
// Eight ways to reach the driver's memory, each with its cost and the places of one payload.
#include <array>
#include <cerrno>

#include "harness/xray/census.hh"
#include "labs/02_devmem_mmap/host/bench.hh"
#include "labs/02_devmem_mmap/host/cost.hh"
#include "labs/02_devmem_mmap/host/experiments.hh"
#include "labs/common/host/text.hh"

namespace zcl::lab02 {

namespace {

constexpr std::size_t kPayloadBytes = 2048;
constexpr std::uint64_t kMib = 1U << 20;

enum class Kind { read, ioctl, mapping };

struct Way {
  std::string name;
  Kind kind;
  std::string file;          ///< descriptor in the probe
  std::uint64_t offset = 0;  ///< of the area within the file, for mappings
  std::uint64_t piece = 0;   ///< bytes a call, for copies
};

struct Figures {
  Cost cost;              ///< of one MiB: map, read, unmap; or the copying calls and the read
  double read_again = 0;  ///< instructions a byte once mapped
  std::size_t places = 0;
};

std::string command_for(const Way& way, std::uint64_t bytes) {
  switch (way.kind) {
    case Kind::read:
      return "sum_copied " + way.file + " read " + std::to_string(way.piece) + " " +
             std::to_string(bytes);
    case Kind::ioctl:
      return "sum_copied " + way.file + " ioctl " + std::to_string(way.piece) + " " +
             std::to_string(bytes);
    case Kind::mapping:
      break;
  }
  return "sum_mapped " + way.file + " " + to_hex(way.offset) + " " + std::to_string(bytes);
}

/// Places of the payload on page `page` of the area once the program has read up to that page.
std::size_t count_places(vm::Machine& machine, Probe& probe, const Way& way,
                         const xray::Payload& payload, std::uint64_t page) {
  vm::VirtualAddress view = 0;
  if (way.kind == Kind::mapping) {
    view = map_readable(probe, way.file, way.offset, kMib, "mapping the area");
    probe.must("sum " + to_hex(view) + " " + std::to_string(kMib), "reading the area");
  } else {
    probe.must(command_for(way, (page + 1) * kPage), "copying the area");
  }
  std::size_t places = 0;
  {
    const Pause pause(machine);
    places = xray::take_census(machine.memory(), payload).copies();
  }
  if (view != 0) probe.must("unmap " + to_hex(view) + " " + std::to_string(kMib), "munmap");
  return places;
}

double cost_of_reading_again(vm::Machine& machine, Probe& probe, const Way& way) {
  const auto view = map_readable(probe, way.file, way.offset, kMib, "mapping the area");
  const auto cost = cost_of(machine, probe, "sum " + to_hex(view) + " " + std::to_string(kMib));
  probe.must("unmap " + to_hex(view) + " " + std::to_string(kMib), "munmap");
  return cost.instructions / kMib;
}

void record(lab::ExperimentContext& context, const Way& way, const Figures& figures) {
  const std::map<std::string, std::string> labels = {{"way", way.name}};
  const auto& cost = figures.cost;
  context.metric("instructions_per_byte", cost.instructions / kMib, labels);
  context.metric("user_instructions_per_byte", cost.user_instructions / kMib, labels);
  context.metric("kernel_instructions_per_byte", cost.kernel_instructions / kMib, labels);
  context.metric("syscalls_per_mib", cost.system_calls, labels);
  context.metric("page_faults", cost.faults, labels);
  context.metric("census_places", static_cast<double>(figures.places), labels);
  if (way.kind == Kind::mapping) {
    context.metric("instructions_per_byte", figures.read_again,
                   {{"way", way.name}, {"phase", "already mapped"}});
  }
}

std::vector<std::string> row_of(const Way& way, const Figures& figures) {
  const auto& cost = figures.cost;
  return {way.name,
          labs::fixed(cost.instructions / kMib),
          way.kind == Kind::mapping ? labs::fixed(figures.read_again) : "-",
          labs::fixed(cost.system_calls, 0),
          labs::fixed(cost.faults, 0),
          std::to_string(figures.places)};
}

}  // namespace

void compare_ways(lab::ExperimentContext& context) {
  auto machine = context.start("edu");
  load_driver(context, machine, kMib / kPage);
  Probe probe(context, machine);
  const auto daq = open_file(probe, "/dev/daq0", "rw");
  const auto buffer = probe.number("area " + daq + " 0", "DAQ_GET_AREA");

  const auto memory = open_file(probe, "/dev/mem", "rw");
  const auto stock = probe.ask("map " + memory + " " + to_hex(buffer) + " 4096 r shared");
  context.metric("error_number", stock.ok ? 0 : stock.error, {{"way", "/dev/mem, stock kernel"}});
  context.load(machine, "devmem_gate");

  const std::vector<Way> ways = {
      {"read(2), 4 KiB a call", Kind::read, daq, 0, 4096},
      {"read(2), 64 KiB a call", Kind::read, daq, 0, 65536},
      {"ioctl copy_to_user, 4 KiB a call", Kind::ioctl, daq, 0, 4096},
      {"/dev/mem, gate open", Kind::mapping, memory, buffer},
      {"/dev/mem, region reserved at boot", Kind::mapping, memory, kRegion},
      {"mmap, remap_pfn_range", Kind::mapping, daq, kViewPfn},
      {"mmap, fault handler", Kind::mapping, daq, kViewFault},
      {"mmap, vm_insert_page", Kind::mapping, daq, kViewPages},
  };
  std::vector<std::vector<std::string>> table = {
      {"", "instr/byte", "once mapped", "syscalls/MiB", "faults/MiB", "places"}};
  std::map<std::string, Figures> results;
  for (std::uint64_t page = 16; const auto& way : ways) {
    const xray::Payload payload(context.random(), kPayloadBytes);
    if (way.offset == kRegion) {
      write_reserved(context, machine, kRegion + page * kPage, payload.bytes());
    } else {
      probe.must("fill " + daq + " " + to_hex(page * kPage) + " " + to_hex(payload.bytes()),
                 "writing a pattern to /dev/daq0");
    }
    Figures figures;
    figures.places = count_places(machine, probe, way, payload, page);
    figures.cost = cost_of(machine, probe, command_for(way, kMib));
    if (way.kind == Kind::mapping) {
      figures.read_again = cost_of_reading_again(machine, probe, way);
    }
    record(context, way, figures);
    table.push_back(row_of(way, figures));
    results[way.name] = figures;
    ++page;
  }
  context.transcript(labs::to_table(table) + "/dev/mem on ordinary RAM, stock kernel: " +
                     (stock.ok ? "mapped" : stock.text) + "\n");

  const auto& gate = results["/dev/mem, gate open"];
  const auto& mapped = results["mmap, remap_pfn_range"];
  const auto& copied = results["read(2), 4 KiB a call"];
  const std::string figures =
      "Through the gate the program reads it in place (" + std::to_string(gate.places) +
      " place, read(2): " + std::to_string(copied.places) + ") for " +
      labs::fixed(gate.cost.instructions / kMib) +
      " instructions a byte (read(2): " + labs::fixed(copied.cost.instructions / kMib) +
      "); the driver's own mmap does the same for " + labs::fixed(mapped.cost.instructions / kMib) +
      ", on a stock kernel.";
  if (stock.ok || gate.places != 1) {
    context.verdict(report::ClaimVerdict::refuted, figures);
  } else {
    context.verdict(
        stock.error == EPERM ? report::ClaimVerdict::qualified : report::ClaimVerdict::refuted,
        "A stock kernel refuses the buffer with EPERM (CONFIG_STRICT_DEVMEM). " + figures);
  }
}

}  // namespace zcl::lab02
