// SPDX-License-Identifier: MIT
// Machines of every shape that a lab may declare: each boots, clones and is what was asked for.
#include <gtest/gtest.h>

#include <future>
#include <nlohmann/json.hpp>
#include <string>

#include "harness/base/error.hh"
#include "harness/base/paths.hh"
#include "harness/vm/machine.hh"

namespace zcl::vm {
namespace {

constexpr std::uint64_t kGib = 1ULL << 30;
constexpr std::uint32_t kEduIdentity = 0x010000ed;  // QEMU 7.2, docs/specs/edu.txt, offset 0
constexpr std::uint32_t kE1000Status = 0x8;         // 82540EM manual, 13.4.2
constexpr std::uint32_t kE1000LinkUp = 0x2;

MachineSpec speed_machine() {
  MachineSpec spec;
  spec.mode = Mode::speed;
  spec.accel = Accel::tcg;
  return spec;
}

std::string sysfs_of_edu(const std::string& file) {
  return "/sys/bus/pci/devices/0000:00:04.0/" + file;
}

TEST(Clone, IsAFreshMachineEachTime) {
  {
    auto first = Machine::start(speed_machine());
    const base::Bytes text = {'f', 'i', 'r', 's', 't'};
    first.agent().put_file("/tmp/trace", text);
    EXPECT_EQ(first.agent().get_text("/tmp/trace"), "first");
  }
  auto second = Machine::start(speed_machine());
  EXPECT_THROW(second.agent().get_text("/tmp/trace"), GuestError);
  EXPECT_FALSE(second.alarming()) << second.console();
}

TEST(Clone, DoesNotShareRandomNumbersOrMemoryWithAnother) {
  MachineOptions options;
  options.seed = 1;
  auto one = Machine::start(speed_machine(), options);
  options.seed = 2;
  auto other = Machine::start(speed_machine(), options);
  EXPECT_NE(one.agent().get_text("/proc/sys/kernel/random/uuid"),
            other.agent().get_text("/proc/sys/kernel/random/uuid"));
  one.agent().write_text("/proc/sys/kernel/hostname", "one");
  other.agent().write_text("/proc/sys/kernel/hostname", "other");
  EXPECT_EQ(one.agent().get_text("/proc/sys/kernel/hostname"), "one");
}

TEST(Clone, StartsFromSeveralThreadsAtOnce) {
  const auto life = [] {
    auto machine = Machine::start(speed_machine());
    return machine.agent().get_text("/proc/sys/kernel/ostype");
  };
  auto one = std::async(std::launch::async, life);
  auto other = std::async(std::launch::async, life);
  EXPECT_EQ(one.get(), "Linux");
  EXPECT_EQ(other.get(), "Linux");
}

TEST(Clone, OutlivesTheThreadThatStartedIt) {
  auto machine =
      std::async(std::launch::async, [] { return Machine::start(speed_machine()); }).get();
  EXPECT_EQ(machine.agent().get_text("/proc/sys/kernel/ostype"), "Linux");
}

TEST(Clone, HasTheMemoryItWasGiven) {
  auto spec = speed_machine();
  spec.memory_mib = 6144;
  auto machine = Machine::start(spec);
  EXPECT_EQ(machine.memory().size(), 6 * kGib);
  EXPECT_GT(machine.memory().end(), 6 * kGib);
  const auto text = machine.agent().get_text("/proc/meminfo");
  EXPECT_GT(std::stoull(text.substr(text.find_first_of("0123456789"))) * 1024, 5 * kGib) << text;
}

TEST(Clone, RunsOnPc) {
  auto spec = speed_machine();
  spec.chipset = Chipset::pc;
  spec.nics = {{"nic0", "rtl8139", "", {}}};
  spec.boot_modules = {"8139cp"};
  auto machine = Machine::start(spec);
  EXPECT_FALSE(machine.agent().interface_of("nic0").empty());
}

TEST(Clone, HasAllItsCpus) {
  for (const unsigned cpus : {2U, 4U}) {
    auto spec = speed_machine();
    spec.cpus = cpus;
    auto machine = Machine::start(spec);
    EXPECT_EQ(machine.agent().get_text("/sys/devices/system/cpu/online"),
              "0-" + std::to_string(cpus - 1));
    (void)machine.registers(cpus - 1);
    EXPECT_THROW((void)machine.registers(cpus), UsageError);
  }
}

TEST(Clone, TranslatesBehindTheIommu) {
  auto spec = speed_machine();
  spec.intel_iommu = true;
  spec.nics = {{"nic0", "e1000", "", {}}};
  spec.boot_modules = {"e1000"};
  auto machine = Machine::start(spec);
  EXPECT_EQ(machine.agent().get_text("/sys/class/iommu/dmar0/intel-iommu/version"), "1:0");
  const auto group = machine.agent().get_text("/sys/bus/pci/devices/0000:01:00.0/uevent");
  EXPECT_NE(group.find("DRIVER=e1000"), std::string::npos) << group;
}

class EduClone : public ::testing::TestWithParam<bool> {};

TEST_P(EduClone, AnswersAtItsBar) {
  auto spec = speed_machine();
  spec.edu = true;
  spec.intel_iommu = GetParam();
  auto machine = Machine::start(spec);
  EXPECT_THROW((void)machine.device_bar("edu"), UsageError);  // no driver has enabled it
  machine.agent().write_text(sysfs_of_edu("enable"), "1");
  EXPECT_EQ(machine.read_physical_u32(machine.device_bar("edu")), kEduIdentity);
  EXPECT_FALSE(machine.alarming()) << machine.console();
}

INSTANTIATE_TEST_SUITE_P(WithAndWithoutIommu, EduClone, ::testing::Bool());

class NicClone : public ::testing::TestWithParam<Chipset> {};

TEST_P(NicClone, CanBeUnpluggedAndLoseItsLink) {
  auto spec = speed_machine();
  spec.chipset = GetParam();
  spec.nics = {{"kept", "e1000", "", {}}, {"pulled", "e1000", "", {{"mitigation", "off"}}}};
  spec.boot_modules = {"e1000"};
  auto machine = Machine::start(spec);
  const auto status = machine.device_bar("kept") + kE1000Status;
  EXPECT_NE(machine.read_physical_u32(status) & kE1000LinkUp, 0U);
  machine.set_link("kept", false);
  EXPECT_EQ(machine.read_physical_u32(status) & kE1000LinkUp, 0U);

  const auto interface = machine.agent().interface_of("pulled");
  machine.unplug("pulled");
  EXPECT_THROW((void)machine.device_bar("pulled"), UsageError);
  EXPECT_THROW(machine.agent().get_text("/sys/class/net/" + interface + "/mtu"), GuestError);
  EXPECT_FALSE(machine.agent().interface_of("kept").empty());
}

INSTANTIATE_TEST_SUITE_P(BothChipsets, NicClone, ::testing::Values(Chipset::q35, Chipset::pc));

TEST(Clone, IsReadByTheHostAsTheGuestSeesIt) {
  for (const bool five_levels : {false, true}) {
    auto spec = speed_machine();
    spec.five_level_paging = five_levels;
    auto machine = Machine::start(spec);
    machine.pause();
    const auto registers = machine.registers();
    EXPECT_EQ(registers.address_space().levels, five_levels ? 5 : 4);
    EXPECT_EQ(machine.registers().instruction_pointer, registers.instruction_pointer);
    const auto banner = walk(machine.memory(), registers.address_space(),
                             machine.symbols().address("linux_banner"));
    ASSERT_TRUE(banner);
    const auto bytes = machine.memory().view(banner->physical_address, 13);
    EXPECT_EQ(std::string(bytes.begin(), bytes.end()), "Linux version");
    machine.resume();
    EXPECT_EQ(machine.agent().get_text("/proc/sys/kernel/ostype"), "Linux");
  }
}

TEST(Clone, LeavesAReservedRegionAlone) {
  auto spec = speed_machine();
  spec.reserved = {{256U << 20, 16U << 20}};
  auto machine = Machine::start(spec);
  EXPECT_NE(machine.agent().get_text("/proc/iomem").find("10000000-10ffffff : Reserved"),
            std::string::npos);
}

TEST(Clone, TellsOfTheEndOfQemu) {
  auto machine = Machine::start(speed_machine());
  machine.qmp("quit", nlohmann::json::object());
  const auto report = machine.wait_for_fault(base::Deadline("end", std::chrono::seconds(60)));
  EXPECT_EQ(report.kind, FaultKind::qemu_died) << report.summary;
  EXPECT_THROW(machine.check_alive(), GuestFault);
  EXPECT_THROW(machine.agent().get_text("/proc/version"), GuestFault);
  EXPECT_THROW(machine.pause(), GuestFault);
}

TEST(Clone, GivesEachCableOnce) {
  auto spec = speed_machine();
  spec.nics = {
      {"alone", "e1000", "", {}}, {"left", "e1000", "hub", {}}, {"right", "e1000", "hub", {}}};
  auto machine = Machine::start(spec);
  EXPECT_TRUE(machine.take_nic_socket("alone").valid());
  EXPECT_TRUE(machine.take_nic_socket("hub").valid());
  EXPECT_THROW((void)machine.take_nic_socket("hub"), UsageError);
  EXPECT_THROW((void)machine.take_nic_socket("left"), UsageError);
}

TEST(CountMode, CountsTheSameForTheSameWork) {
  MachineSpec spec;
  spec.mode = Mode::count;
  std::vector<InstructionCounts> runs;
  for (int run = 0; run < 2; ++run) {
    auto machine = Machine::start(spec);
    machine.agent().put_file("/tmp/probe",
                             base::read_file(base::build_root() / "guest/count_probe"), 0755);
    const auto before = machine.instructions();
    const auto result = machine.agent().run({.argv = {"/tmp/probe", "loop", "1000"}});
    ASSERT_TRUE(result.ok()) << result.error;
    runs.push_back(machine.instructions() - before);
    const auto marks = machine.counter().marks();
    ASSERT_EQ(marks.size(), 2U);
    EXPECT_EQ((marks[1].counts - marks[0].counts).user, 2001U);
  }
  EXPECT_GT(runs[0].user, 0U);
  EXPECT_GT(runs[0].system_calls, 0U);
  EXPECT_NEAR(static_cast<double>(runs[0].total()), static_cast<double>(runs[1].total()),
              0.02 * static_cast<double>(runs[0].total()));
}

TEST(CountMode, RefusesToCountInSpeedMode) {
  auto machine = Machine::start(speed_machine());
  EXPECT_THROW((void)machine.instructions(), UsageError);
}

}  // namespace
}  // namespace zcl::vm
