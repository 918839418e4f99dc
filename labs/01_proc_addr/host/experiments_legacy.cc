// SPDX-License-Identifier: MIT
// The article's strings and its ring (rows A3, A4).
#include <cmath>
#include <csignal>
#include <nlohmann/json.hpp>
#include <sstream>

#include "harness/base/error.hh"
#include "harness/base/process.hh"
#include "labs/01_proc_addr/host/experiments.hh"
#include "labs/01_proc_addr/host/support.hh"

namespace zcl::lab01 {

using report::ClaimVerdict;

namespace {

std::string text(std::uint64_t value) {
  return std::to_string(value);
}

}  // namespace

void strings(lab::ExperimentContext& context) {
  auto machine = context.start("default");
  const std::string nonce = to_hex(fresh_stamp(context.random()));
  context.load(machine, "devmem_gate");
  context.load(machine, "nf_addr", "ring=legacy strings=1");
  command(machine, "string " + nonce);
  const auto result = machine.agent().run({.argv = {context.install(machine, "nf_legacy_reader")}});
  const std::string golden =
      "1:data1dfadfaserty[size = 16]\n"
      "2:data2zcvbnm[size = 11]\n"
      "3:data39876543210poiuyt[size = 21]\n"
      "4:" +
      nonce +
      "[size = 32]\n"
      "no more data\n";
  context.transcript(result.output + result.error);
  const bool same = result.output == golden;
  context.metric("matches", same ? 1 : 0);
  context.verdict(same ? ClaimVerdict::confirmed : ClaimVerdict::refuted,
                  same ? "The article's output to the letter, and a fourth string that the host "
                         "chose after the program was built. On a kernel of today /dev/mem must be "
                         "opened to RAM first (devmem_gate)."
                       : "The reader printed something else.");
}

namespace {

/// The article's ring in physical memory: the exported block whose first bytes are its header.
vm::PhysicalAddress legacy_ring_base(vm::Machine& machine) {
  const auto base = exported_blocks(machine).at(0).address;
  const auto header = machine.memory().load<nf_legacy_header>(base);
  lab::CheckContext::require(
      header.slot_bytes == NF_LEGACY_SLOT_BYTES && header.slots == NF_LEGACY_SLOTS,
      "No legacy ring stands at the exported address.");
  return base;
}

std::uint32_t legacy_length(const vm::GuestMemory& memory, vm::PhysicalAddress base,
                            unsigned slot) {
  return memory.load<std::uint32_t>(base + std::uint64_t{slot} * NF_LEGACY_SLOT_BYTES);
}

}  // namespace

void legacy_overrun(lab::ExperimentContext& context) {
  constexpr std::size_t kFullFrame = 1514;
  auto machine = context.start("default");
  auto link = context.link(machine, "nic0");
  const std::string interface = bring_up_nic(machine);
  context.load(machine, "devmem_gate");
  context.load(machine, "nf_addr", "ring=legacy tap=" + interface);
  const auto base = legacy_ring_base(machine);

  const wire::Frame full = experiment_frame(context.random(), kFullFrame);
  const wire::Frame small = experiment_frame(context.random(), 100);
  link.send(full.bytes, soon("the full frame leaves"));
  wait_until(machine, "the full frame is in slot 1", [&](const vm::GuestMemory& memory) {
    return legacy_length(memory, base, 1) == kFullFrame;
  });
  std::uint32_t spoiled = 0;
  std::uint32_t frame_bytes = 0;
  {
    const Paused still(machine);
    spoiled = legacy_length(machine.memory(), base, 2);
    std::memcpy(&frame_bytes, full.bytes.data() + NF_LEGACY_DATA_BYTES, sizeof frame_bytes);
  }
  link.send(small.bytes, soon("the small frame leaves"));
  wait_until(machine, "the small frame is in slot 3", [&](const vm::GuestMemory& memory) {
    return legacy_length(memory, base, 3) == small.bytes.size();
  });
  const auto result = machine.agent().run({.argv = {context.install(machine, "nf_legacy_reader")}});
  std::string shortened;
  std::istringstream lines(result.output);
  for (std::string line; std::getline(lines, line);) {
    shortened += (line.size() > 76 ? line.substr(0, 60) + "…" : line) + "\n";
  }
  context.transcript(shortened);

  const bool overrun = spoiled == frame_bytes && spoiled != 0;
  context.metric("bytes_copied", kFullFrame, {{"slot_holds", text(NF_LEGACY_DATA_BYTES)}});
  context.metric("mismatches", overrun ? 1 : 0, {{"field", "length of the next slot"}});
  context.verdict(overrun ? ClaimVerdict::refuted : ClaimVerdict::not_testable,
                  "A full Ethernet frame has 1514 bytes, a slot 1496. The last 18 went over the "
                  "next slot: its length became " +
                      text(spoiled) + ", which are bytes 1496 to 1499 of the frame (" +
                      text(frame_bytes) +
                      "); the writer then took that free slot for an occupied one, and the reader "
                      "for a record. The corrected ring has slots of 2048 and checks the length.");
}

namespace {

struct WriteCost {
  double instructions = 0;
  double probes = 0;
};

/// Cost of one write of 64 bytes, over about `packets` of them: the least of three windows, since a
/// timer's interrupt may fall into one or not.
WriteCost write_cost(vm::Machine& machine, std::uint64_t packets) {
  constexpr unsigned kWindows = 3;
  const auto probes_before = counters(machine)["legacy_probes"];
  const std::uint64_t each = packets / kWindows;
  std::uint64_t least = UINT64_MAX;
  for (unsigned i = 0; i < kWindows; ++i) {
    // A full ring refuses with ENOSPC: that is what is measured.
    refusal(machine, "long 64 " + text(each));
    least = std::min(least, marked_window(machine).kernel);
  }
  const auto probes = counters(machine)["legacy_probes"] - probes_before;
  return {static_cast<double>(least) / static_cast<double>(each),
          static_cast<double>(probes) / static_cast<double>(kWindows * each)};
}

}  // namespace

void legacy_full(lab::ExperimentContext& context) {
  const auto packets = context.experiment().parameters.at("packets").get<std::uint64_t>();
  std::map<std::string, WriteCost> costs;
  for (const std::string ring : {"legacy", "corrected"}) {
    auto machine = context.start("default");
    context.load(machine, "nf_addr", "ring=" + ring);
    costs[ring + ", free"] = write_cost(machine, packets);
    refusal(machine, "long 64 " + text(NF_LEGACY_SLOTS));
    costs[ring + ", full"] = write_cost(machine, packets);
    for (const std::string state : {"free", "full"}) {
      const std::map<std::string, std::string> labels{{"ring", ring}, {"state", state}};
      context.metric("kernel_instructions_per_packet", costs[ring + ", " + state].instructions,
                     labels);
      if (ring == "legacy") {
        context.metric("probes_per_packet", costs[ring + ", " + state].probes, labels);
      }
    }
  }
  const auto rounded = [](double value) {
    return text(static_cast<std::uint64_t>(std::llround(value)));
  };
  const WriteCost& full = costs["legacy, full"];
  context.verdict(
      full.probes == NF_LEGACY_DATA_SLOTS ? ClaimVerdict::confirmed : ClaimVerdict::qualified,
      "One probe a packet while there is room; in a full ring " + rounded(full.probes) +
          " probes and " + rounded(full.instructions) +
          " instructions for each packet that is then dropped, just when the machine is overloaded "
          "(a packet that is stored costs " +
          rounded(costs["legacy, free"].instructions) +
          "). The corrected ring compares two counts: " +
          rounded(costs["corrected, full"].instructions) + " instructions.");
}

namespace {

/// The instructions of a function of the built module, as objdump prints them.
std::string disassembly(const lab::BuiltLab& built, const std::string& function) {
  const auto result = base::run_command(
      {.argv = {"objdump", "-d", "--no-show-raw-insn", built.artefact("kernel/nf_addr.ko")}});
  if (!result.ok()) throw EnvironmentError("objdump cannot read nf_addr.ko: " + result.error);
  std::istringstream lines(result.output);
  std::string found;
  bool inside = false;
  for (std::string line; std::getline(lines, line);) {
    if (line.find("<" + function) != std::string::npos && line.ends_with(">:")) inside = true;
    if (inside && line.empty()) break;
    if (inside && line.find("nop") == std::string::npos) found += line + "\n";
  }
  return found;
}

/// Stops at random instructions at which the length was visible and the payload was not.
unsigned broken_stops(lab::ExperimentContext& context, const std::string& variant, unsigned stops) {
  auto machine = context.start("default");
  context.load(machine, "nf_addr", "ring=none order=0");
  const auto base = exported_blocks(machine).at(0).address;
  // Otherwise QEMU stops between translated blocks only, never between two stores of one.
  machine.qmp("human-monitor-command", {{"command-line", "singlestep on"}});
  auto writer =
      machine.agent().start({.argv = {context.install(machine, "nf_command"), "order", variant},
                             .time_limit = std::chrono::seconds(120)});
  writer.read_line(soon("the writer starts"));
  unsigned broken = 0;
  for (unsigned i = 0; i < stops; ++i) {
    const Paused still(machine);
    const auto length = machine.memory().load<std::uint32_t>(base);
    const auto payload = machine.memory().load<std::uint32_t>(base + sizeof length);
    broken += length != 0 && payload != length + 1 ? 1 : 0;
  }
  writer.send_signal(SIGKILL);
  return broken;
}

}  // namespace

void legacy_order(lab::ExperimentContext& context) {
  const auto stops = context.experiment().parameters.at("stops").get<unsigned>();
  const unsigned plain = broken_stops(context, "plain", stops);
  const unsigned release = broken_stops(context, "release", stops);
  // Where the machine is stopped is chance, so how often is no figure that a second run repeats.
  context.metric("matches", plain > 0 ? 1 : 0, {{"length_without_payload", "plain stores"}});
  context.metric("matches", release > 0 ? 1 : 0, {{"length_without_payload", "release store"}});
  context.transcript("In C, both: payload first, length second (kernel/store_order.c).\n\n" +
                     disassembly(context.built(), "nf_publish_plain") + "\n" +
                     disassembly(context.built(), "nf_publish_release"));
  context.verdict(
      plain > 0 && release == 0 ? ClaimVerdict::refuted : ClaimVerdict::qualified,
      "With plain assignments the compiler is free to store the length first, and here it does "
      "(see "
      "the instructions): at " +
          text(plain) + " of " + text(stops) +
          " random stops the length was visible without its payload. With a release store: " +
          text(release) +
          ". x86 keeps the order of the stores it is given, so this shows the compiler's part; on "
          "other processors the hardware adds its own.");
}

}  // namespace zcl::lab01
