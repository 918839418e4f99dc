// SPDX-License-Identifier: MIT
// Addresses: which is which, and how they reach user space (rows A6, A7).
#include <algorithm>
#include <sstream>

#include "labs/01_proc_addr/host/experiments.hh"
#include "labs/01_proc_addr/host/support.hh"

namespace zcl::lab01 {

using report::ClaimVerdict;

namespace {

constexpr std::uint64_t kPage = 4096;

std::string text(std::uint64_t value) {
  return std::to_string(value);
}

std::string hexadecimal(std::uint64_t value) {
  std::ostringstream stream;
  stream << "0x" << std::hex << value;
  return stream.str();
}

Stamp complement(Stamp stamp) {
  for (auto& byte : stamp) byte = static_cast<std::uint8_t>(~byte);
  return stamp;
}

std::uint64_t only_place(vm::Machine& machine, const Stamp& stamp, const std::string& what) {
  std::vector<vm::PhysicalAddress> places;
  for (const auto place : find_bytes(machine.memory(), stamp)) {
    if (place % kPage == 0) places.push_back(place);
  }
  lab::CheckContext::require(places.size() == 1,
                             what + " stands in " + text(places.size()) + " places.");
  return places.front();
}

std::string as_lines(const std::map<std::string, std::uint64_t>& values) {
  std::string lines;
  for (const auto& [name, value] : values) {
    if (name.starts_with("block_") || name.starts_with("vmalloc_")) {
      lines += name + " " + hexadecimal(value) + "\n";
    }
  }
  return lines;
}

}  // namespace

void translate(lab::ExperimentContext& context) {
  auto machine = context.start("default");
  const Stamp stamp = fresh_stamp(context.random());
  context.load(machine, "nf_addr", "ring=none translate=1 stamp=" + to_hex(stamp));
  auto values = counters(machine);

  const Paused still(machine);
  const auto block = find_blocks(machine.memory(), stamp, 1, kPage << 9).front().address;
  const auto vmalloc_page = only_place(machine, complement(stamp), "The vmalloc page's mark");
  // Kernel addresses are the same in every address space: any CR3 will do for the walk.
  const auto space = machine.registers().address_space();
  const auto block_walk = vm::walk(machine.memory(), space, values["block_virtual"]);
  const auto vmalloc_walk = vm::walk(machine.memory(), space, values["vmalloc_virtual"]);

  const bool direct = values["block_physical"] == block && block_walk.has_value() &&
                      block_walk->physical_address == block;
  const bool three_gib = values["block_minus_3_gib"] == block;
  const bool vmalloc_wrong = values["vmalloc_pa"] != vmalloc_page && vmalloc_walk.has_value() &&
                             vmalloc_walk->physical_address == vmalloc_page;
  auto record = [&](const std::string& rule, std::uint64_t said, std::uint64_t found) {
    context.metric("matches", said == found ? 1 : 0, {{"rule", rule}});
    context.metric("address", static_cast<double>(said), {{"rule", rule}});
  };
  record("virt_to_phys, direct map", values["block_physical"], block);
  record("virtual minus 3 GiB", values["block_minus_3_gib"], block);
  record("__pa, vmalloc", values["vmalloc_pa"], vmalloc_page);
  record("vmalloc_to_page", values["vmalloc_physical"], vmalloc_page);
  context.metric("address", static_cast<double>(block), {{"rule", "census, block"}});
  context.metric("address", static_cast<double>(vmalloc_page), {{"rule", "census, vmalloc"}});
  context.transcript(as_lines(values) + "census: block at " + hexadecimal(block) +
                     ", vmalloc page at " + hexadecimal(vmalloc_page) + "\n");

  const std::string because =
      "Census and page walk find the block at " + hexadecimal(block) + "; __pa() says " +
      hexadecimal(values["block_physical"]) + ", minus 3 GiB says " +
      hexadecimal(values["block_minus_3_gib"]) + ". Of a vmalloc page at " +
      hexadecimal(vmalloc_page) + ", __pa() says " + hexadecimal(values["vmalloc_pa"]) +
      " without a warning; is_vmalloc_addr() tells the two apart (" +
      text(values["block_is_vmalloc"]) + " and " + text(values["vmalloc_is_vmalloc"]) + ").";
  context.verdict(
      direct && !three_gib && vmalloc_wrong ? ClaimVerdict::qualified : ClaimVerdict::not_testable,
      because);
}

void iommu(lab::ExperimentContext& context) {
  /// 82540EM manual, 13.4.25 and 13.4.26: base address of the receive ring.
  constexpr vm::PhysicalAddress kReceiveRingLow = 0x2800;
  constexpr vm::PhysicalAddress kReceiveRingHigh = 0x2804;
  std::map<std::string, std::uint64_t> dma;
  std::map<std::string, std::uint64_t> physical;
  std::string ring_base;
  std::string transcript;
  for (const std::string name : {"default", "iommu"}) {
    auto machine = context.start(name);
    const Stamp stamp = fresh_stamp(context.random());
    bring_up_nic(machine);
    context.load(machine, "nf_addr", "ring=none translate=1 stamp=" + to_hex(stamp));
    dma[name] = counters(machine)["block_dma"];
    const Paused still(machine);
    physical[name] = find_blocks(machine.memory(), stamp, 1, kPage << 9).front().address;
    // What the stock driver gave the chip, read from the chip's own register.
    const auto bar = machine.device_bar("nic0");
    const std::uint64_t base =
        machine.read_physical_u32(bar + kReceiveRingLow) |
        static_cast<std::uint64_t>(machine.read_physical_u32(bar + kReceiveRingHigh)) << 32;
    const bool in_ram = machine.memory().contains(base);
    context.metric("address", static_cast<double>(dma[name]),
                   {{"machine", name}, {"what", "dma_map_single"}});
    context.metric("address", static_cast<double>(physical[name]),
                   {{"machine", name}, {"what", "census"}});
    context.metric("address", static_cast<double>(base),
                   {{"machine", name}, {"what", "e1000 receive ring register"}});
    context.metric("matches", dma[name] == physical[name] ? 1 : 0, {{"machine", name}});
    transcript += name + ": block at " + hexadecimal(physical[name]) + ", for the NIC " +
                  hexadecimal(dma[name]) + "; the chip's receive ring base is " +
                  hexadecimal(base) + (in_ram ? ", in RAM" : ", where there is no RAM") + "\n";
    if (name == "iommu") ring_base = hexadecimal(base);
  }
  context.transcript(transcript);
  const bool as_expected =
      dma["default"] == physical["default"] && dma["iommu"] != physical["iommu"];
  context.verdict(as_expected ? ClaimVerdict::qualified : ClaimVerdict::not_testable,
                  "Without an IOMMU the device's address equals the physical one. Behind "
                  "intel-iommu the block at " +
                      hexadecimal(physical["iommu"]) + " is " + hexadecimal(dma["iommu"]) +
                      " for the NIC, and the stock driver gives its chip " + ring_base +
                      " for the receive ring.");
}

void address(lab::ExperimentContext& context) {
  const auto& parameters = context.experiment().parameters;
  const bool full = context.options().profile == lab::Profile::full;
  const auto runs = parameters.at(full ? "runs_full" : "runs_quick").get<unsigned>();
  unsigned equal = 0;
  std::string transcript;
  for (unsigned run = 0; run < runs; ++run) {
    auto machine = context.start("default");
    const Stamp stamp = fresh_stamp(context.random());
    const auto order = static_cast<unsigned>(context.random().below(11));
    const std::size_t count = 1 + context.random().below(4);
    context.load(machine, "nf_addr",
                 "ring=none order=" + std::to_string(order) + " blocks=" + std::to_string(count) +
                     " stamp=" + to_hex(stamp));
    const auto exported = exported_blocks(machine);
    const Paused still(machine);
    const auto blocks = find_blocks(machine.memory(), stamp, count, kPage << order);
    const bool same = std::ranges::equal(
        exported, blocks, [](const ExportedBlock& said, const BlockPlace& found) {
          return said.address == found.address && said.bytes == found.bytes;
        });
    equal += same ? 1 : 0;
    transcript += "run " + std::to_string(run + 1) + ": " + std::to_string(count) +
                  " blocks of order " + std::to_string(order) + ", first at " +
                  hexadecimal(blocks.front().address) + (same ? ", equal\n" : ", DIFFERENT\n");
  }
  context.transcript(transcript);
  context.metric("matches", equal, {{"runs", std::to_string(runs)}});
  context.metric("mismatches", runs - equal, {{"runs", std::to_string(runs)}});
  context.verdict(equal == runs ? ClaimVerdict::confirmed : ClaimVerdict::refuted,
                  "The exported addresses equal those of the census in " + std::to_string(equal) +
                      " of " + std::to_string(runs) +
                      " runs, each on a fresh machine with a mark, an order and a number of blocks "
                      "of its own.");
}

namespace {

/// What the article's reader makes of the address, in one machine.
struct ReadBack {
  std::uint64_t true_address = 0;
  std::uint64_t nine_characters = 0;
  std::uint64_t digit_behind = 0;
  std::uint64_t unsigned_format = 0;
  std::uint64_t wide_format = 0;
};

ReadBack read_back(lab::ExperimentContext& context, const std::string& machine_name) {
  auto machine = context.start(machine_name);
  const Stamp stamp = fresh_stamp(context.random());
  context.load(machine, "nf_addr", "ring=none stamp=" + to_hex(stamp));
  const auto parsed =
      machine.agent().run({.argv = {context.install(machine, "nf_atol"), "/proc/nf_addr_9chars"}});
  std::istringstream lines(parsed.output);
  std::map<std::string, std::uint64_t> values;
  std::string name;
  for (std::uint64_t value = 0; lines >> name >> value;) values[name] = value;
  ReadBack back{.nine_characters = values["zero_behind"], .digit_behind = values["digit_behind"]};
  std::istringstream(machine.agent().get_text("/proc/nf_addr_u32")) >> back.unsigned_format;
  back.wide_format = exported_blocks(machine).at(0).address;
  const Paused still(machine);
  back.true_address = find_blocks(machine.memory(), stamp, 1, kPage << 9).front().address;
  return back;
}

}  // namespace

void proc_format(lab::ExperimentContext& context) {
  std::map<std::string, ReadBack> backs;
  std::string transcript;
  for (const std::string name : {"default", "wide"}) {
    const ReadBack back = backs[name] = read_back(context, name);
    const std::string mib = std::to_string(context.built().lab.machines.at(name).memory_mib);
    auto record = [&](const std::string& format, std::uint64_t value) {
      context.metric("address", static_cast<double>(value),
                     {{"format", format}, {"memory_mib", mib}});
      context.metric("matches", value == back.true_address ? 1 : 0,
                     {{"format", format}, {"memory_mib", mib}});
      transcript += mib + " MiB, " + format + ": " + text(value) +
                    (value == back.true_address ? "\n" : "   WRONG\n");
    };
    transcript += mib + " MiB, census: " + text(back.true_address) + "\n";
    record("nine characters, atol", back.nine_characters);
    record("nine characters, a digit behind", back.digit_behind);
    record("%u", back.unsigned_format);
    record("64-bit", back.wide_format);
  }
  context.transcript(transcript);
  const ReadBack& small = backs["default"];
  const ReadBack& wide = backs["wide"];
  const bool as_expected =
      small.nine_characters == small.true_address && wide.nine_characters != wide.true_address &&
      wide.unsigned_format != wide.true_address && small.wide_format == small.true_address &&
      wide.wide_format == wide.true_address;
  context.verdict(
      as_expected ? ClaimVerdict::qualified : ClaimVerdict::not_testable,
      "True only where the address happens to have nine digits or fewer: in the small guest " +
          text(small.true_address) + " is read as " + text(small.nine_characters) +
          "; in a guest of 6 GiB " + text(wide.true_address) + " is read as " +
          text(wide.nine_characters) + " from nine characters and as " +
          text(wide.unsigned_format) + " with %u, silently. The 64-bit line is right in both.");
}

}  // namespace zcl::lab01
