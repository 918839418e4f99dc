// SPDX-License-Identifier: MIT
// What the host counts of a guest, against work whose counts are known beforehand.
#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>

#include "harness/tests/machine/guest_program.hh"
#include "harness/vm/instruction_counter.hh"
#include "harness/vm/interrupt_counter.hh"
#include "harness/wire/flow.hh"
#include "harness/wire/link.hh"

namespace zcl::vm {
namespace {

using namespace std::chrono_literals;

constexpr std::uint16_t kBegin = 1;
constexpr std::uint16_t kEnd = 2;
/// The tolerance of totals, in percent; user counts have none.
constexpr double kTolerance = 2.0;
/// Guest time for the receiving driver to take a burst.
constexpr std::uint64_t kDriverTime = 100'000'000;

MachineSpec counted_machine() {
  MachineSpec spec;
  spec.nics = {{.id = "nic", .model = "e1000", .hub = "lan", .properties = {{"mitigation", "off"}}},
               {.id = "sender", .model = "e1000", .hub = "lan", .properties = {}}};
  spec.boot_modules = {"e1000"};
  spec.mode = Mode::count;
  return spec;
}

class Counting : public testing::Test {
 protected:
  Counting() : machine_(Machine::start(counted_machine())) {}

  ProgramResult run(const std::vector<std::string>& words) { return run_in(machine_, words); }
  static ProgramResult run_in(Machine& machine, std::vector<std::string> words) {
    words[0] = install_guest_program(machine, words[0]);
    const auto result = machine.agent().run({.argv = words});
    EXPECT_TRUE(result.ok()) << result.output << result.error;
    return result;
  }
  /// What the program executed between its marks.
  InstructionCounts counted(const std::vector<std::string>& words) {
    run(words);
    machine_.pause();
    const auto counts = between_marks(machine_.counter().marks(), kBegin, kEnd);
    machine_.resume();
    return counts;
  }
  /// The card's directory in sysfs, which stays when its driver goes.
  std::string pci_directory(const std::string& nic) {
    const std::string device = "/sys/class/net/" + machine_.agent().interface_of(nic) + "/device";
    const std::string event = machine_.agent().get_text(device + "/uevent");
    const auto name = event.find("PCI_SLOT_NAME=") + std::strlen("PCI_SLOT_NAME=");
    return "/sys/bus/pci/devices/" + event.substr(name, event.find('\n', name) - name);
  }
  /// The card's registers as a file. The kernel lets user space map them only where no driver has
  /// claimed them.
  std::string take_registers(const std::string& nic) {
    const std::string directory = pci_directory(nic);
    const std::string address = directory.substr(directory.rfind('/') + 1);
    machine_.agent().write_text(directory + "/driver/unbind", address);
    machine_.agent().write_text(directory + "/enable", "1");
    return directory + "/resource0";
  }

  Machine machine_;
};

TEST_F(Counting, ALoopOfKnownLengthIsCountedExactly) {
  EXPECT_EQ(counted({"count_probe", "loop", "1000000"}).user, 2'000'001U);
  EXPECT_EQ(counted({"count_probe", "loop", "7"}).user, 15U);
}

TEST_F(Counting, EachSystemCallIsCounted) {
  const auto counts = counted({"count_probe", "syscalls", "1000"});
  EXPECT_EQ(counts.system_calls, 1000U);
  EXPECT_GT(counts.kernel, 1000U * 20);
}

TEST_F(Counting, AFaultInTheMiddleOfABlockCountsWhatWasStarted) {
  // Five instructions a page, and the store that faulted once more; a mov before.
  EXPECT_EQ(counted({"count_probe", "fault", "512"}).user, 512U * 6 + 1);
}

TEST_F(Counting, RegisterAccessesAreCountedByDevice) {
  const std::string resource = take_registers("nic");
  machine_.pause();
  const auto bar = machine_.device_bar("nic");
  const auto before = machine_.counter().register_accesses(bar, bar + 0x20000);
  machine_.resume();
  const auto reads = counted({"count_probe", "registers", resource, "8", "100", "0"});
  EXPECT_EQ(reads.user_register_reads, 100U);
  EXPECT_EQ(reads.user_register_writes, 0U);
  const auto writes = counted({"count_probe", "registers", resource, "0x5200", "3", "50"});
  EXPECT_EQ(writes.user_register_reads, 3U);
  EXPECT_EQ(writes.user_register_writes, 50U);
  machine_.pause();
  const auto after = machine_.counter().register_accesses(bar, bar + 0x20000);
  // Each run of the probe also reads the register once before its first mark.
  EXPECT_EQ(after.reads - before.reads, 105U);
  EXPECT_EQ(after.writes - before.writes, 50U);
}

TEST_F(Counting, PortAccessesAreCounted) {
  const auto counts = counted({"count_probe", "ports", "100"});
  EXPECT_GE(counts.port_reads, 100U);
  EXPECT_GE(counts.port_writes, 100U);
  EXPECT_LE(counts.port_reads, 110U);
}

TEST_F(Counting, TheSameJobOnTwoClonesCountsTheSame) {
  Machine other = Machine::start(counted_machine());
  const std::vector<std::string> job = {"count_probe", "syscalls", "100000"};
  run_in(machine_, job);
  run_in(other, job);
  // Between the job's own marks: around it, an idle guest's clock runs ahead while the host takes
  // its time, and the guest's timers with it.
  const auto first = between_marks(machine_.counter().marks(), kBegin, kEnd);
  const auto second = between_marks(other.counter().marks(), kBegin, kEnd);
  EXPECT_EQ(first.user, second.user);
  const auto difference =
      std::abs(static_cast<double>(first.total()) - static_cast<double>(second.total()));
  EXPECT_LE(100 * difference / static_cast<double>(first.total()), kTolerance)
      << first.total() << " and " << second.total();
}

TEST_F(Counting, ABurstCostsAFewInstructionsAndArrivesWhole) {
  constexpr std::uint64_t kFrames = 32;
  wire::Link lan(machine_.take_nic_socket("lan"));
  auto& agent = machine_.agent();
  const std::string interface = agent.interface_of("nic");
  const std::string sender = agent.interface_of("sender");
  agent.interface_up(interface);
  const std::string received = "/sys/class/net/" + interface + "/statistics/rx_packets";
  agent.sleep_ns(kReceptionHold);
  const auto before = std::stoull(agent.get_text(received));
  const auto counts =
      counted({"burst_probe", "/sys/class/net/" + sender + "/device", "1", "32", "60", "11"});
  EXPECT_EQ(counts.user, 6U);
  EXPECT_EQ(counts.user_register_writes, 1U);
  EXPECT_EQ(counts.system_calls, 0U);

  // The harness's own end of the hub saw each frame once, in order.
  const wire::FlowSpec spec{.seed = 11};
  wire::FlowAccount account(spec);
  for (std::uint64_t i = 0; i < kFrames; ++i) account.offered(i, 60);
  const base::Deadline deadline("frames of the burst", std::chrono::seconds(60));
  while (account.totals().delivered < kFrames) {
    const auto frame = lan.receive(deadline);
    ASSERT_TRUE(frame) << account.totals().text();
    account.arrived(frame->bytes);
  }
  EXPECT_EQ(account.totals().lost(), 0U) << account.totals().text();
  EXPECT_EQ(account.totals().reordered, 0U);
  agent.sleep_ns(kDriverTime);
  EXPECT_GE(std::stoull(agent.get_text(received)) - before, kFrames);
}

TEST_F(Counting, InterruptsOfACardAreSeenByTheHost) {
  auto& agent = machine_.agent();
  const std::string interface = agent.interface_of("nic");
  const std::string sender = pci_directory("sender");
  // A line's number in Linux is its pin at the I/O APIC.
  const std::string pin = "ioapic:" + agent.get_text(pci_directory("nic") + "/irq");
  agent.interface_down(interface);
  const auto before = machine_.interrupts();
  run({"burst_probe", sender, "4", "4", "60", "1"});
  const auto down = machine_.interrupts();
  EXPECT_FALSE(difference(down, before).contains(pin)) << "a card that is down interrupts";

  agent.interface_up(interface);
  const auto up = machine_.interrupts();
  run({"burst_probe", sender, "4", "4", "60", "1"});
  const auto after = difference(machine_.interrupts(), up);
  ASSERT_TRUE(after.contains(pin)) << pin;
}

}  // namespace
}  // namespace zcl::vm
