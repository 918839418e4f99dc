// SPDX-License-Identifier: MIT
// Lab 03's ring and driver together: real frames, by every way that a program can receive them.
#include <gtest/gtest.h>

#include <cstdlib>
#include <sstream>

#include "harness/tests/machine/guest_program.hh"
#include "harness/tests/machine/lab03_modules.hh"
#include "harness/vm/instruction_counter.hh"

namespace zcl::lab03 {
namespace {

using namespace std::chrono_literals;

/// QEMU's e1000 holds reception for a second after its driver set it up.
constexpr std::uint64_t kReceptionHold = 1'500'000'000;

vm::MachineSpec two_cards(vm::Mode mode) {
  vm::MachineSpec spec;
  spec.nics = {{.id = "nic", .model = "e1000", .hub = "lan", .properties = {{"mitigation", "off"}}},
               {.id = "sender", .model = "e1000", .hub = "lan", .properties = {}}};
  spec.mode = mode;
  return spec;
}

class RingInGuest : public testing::Test {
 protected:
  explicit RingInGuest(const vm::MachineSpec& spec = two_cards(vm::Mode::count))
      : machine_(vm::Machine::start(spec)) {
    load_driver(machine_);
    nic_ = machine_.agent().interface_of("nic");
    sender_ = pci_directory(machine_.agent().interface_of("sender"));
    machine_.agent().interface_up(nic_);
    vm::wait_for_carrier(machine_, nic_, base::Deadline("link of the card", 60s));
    machine_.agent().sleep_ns(kReceptionHold);
  }
  ~RingInGuest() override {
    const auto report = machine_.alarming();
    EXPECT_FALSE(report.has_value()) << report->summary << "\n" << report->console_tail;
  }

  std::string pci_directory(const std::string& interface) {
    const std::string event =
        machine_.agent().get_text("/sys/class/net/" + interface + "/device/uevent");
    const std::string key = "PCI_SLOT_NAME=";
    const auto name = event.find(key) + key.size();
    return "/sys/bus/pci/devices/" + event.substr(name, event.find('\n', name) - name);
  }
  vm::ProgramResult run(std::vector<std::string> words) {
    words[0] = vm::install_guest_program(machine_, words[0]);
    return machine_.agent().run({.argv = words});
  }
  /// Receives by `method`; prints what a packet cost.
  void receive(const std::string& method, unsigned rounds, unsigned burst, unsigned bytes) {
    const auto result = run({"ring_probe", sender_, nic_, method, std::to_string(rounds),
                             std::to_string(burst), std::to_string(bytes)});
    EXPECT_TRUE(result.ok()) << method << ": " << result.output << result.error;
    machine_.pause();
    const auto counts = vm::between_marks(machine_.counter().marks(), 1, 2);
    machine_.resume();
    const auto packets = static_cast<double>(rounds) * burst;
    std::printf(
        "%-10s burst %3u, %4u bytes: user %6.1f kernel %7.1f calls %5.2f registers %5.2f; %s",
        method.c_str(), burst, bytes, static_cast<double>(counts.user) / packets,
        static_cast<double>(counts.kernel) / packets,
        static_cast<double>(counts.system_calls) / packets,
        static_cast<double>(counts.register_reads + counts.register_writes) / packets,
        result.output.c_str());
  }

  vm::Machine machine_;
  std::string nic_;
  std::string sender_;
};

TEST_F(RingInGuest, DeliversEveryFrameByEveryMethod) {
  for (const auto* method : {"busy", "poll", "epoll", "eventfd", "read", "copy", "proc",
                             "map_packet", "own_memory", "always", "split"}) {
    receive(method, 64, 32, 64);
  }
  receive("busy", 1000, 32, 64);
  receive("busy", 200, 32, 1500);
  receive("poll", 1000, 1, 64);
}

TEST_F(RingInGuest, RefusesWhatItShould) {
  const auto result = run({"ring_refused", nic_});
  EXPECT_TRUE(result.ok()) << result.output << result.error;
}

/// The cases of harness/tests/guest/ring_hostile.cc.
class HostileProgram : public RingInGuest, public testing::WithParamInterface<const char*> {
 protected:
  HostileProgram() : RingInGuest(two_cards(vm::Mode::speed)) {}
};

TEST_P(HostileProgram, LosesNothingButItsOwnPackets) {
  const auto result = run({"ring_hostile", sender_, nic_, GetParam(), "200000"});
  EXPECT_TRUE(result.ok()) << result.output << result.error;
  std::printf("%s", result.output.c_str());
}

INSTANTIATE_TEST_SUITE_P(Cases, HostileProgram,
                         testing::Values("scribble", "mappings", "killed", "unplugged"),
                         [](const auto& each) { return each.param; });

}  // namespace
}  // namespace zcl::lab03
