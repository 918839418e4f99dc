// SPDX-License-Identifier: MIT
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <nlohmann/json.hpp>

#include "harness/base/error.hh"
#include "harness/vm/machine_spec.hh"
#include "harness/vm/qemu_command.hh"

namespace zcl::vm {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

struct Refusal {
  const char* message;
  std::function<void(MachineSpec&)> make;
};

class RefusedSpec : public ::testing::TestWithParam<Refusal> {};

TEST_P(RefusedSpec, IsNamed) {
  MachineSpec spec;
  ASSERT_NO_THROW(validate(spec));
  GetParam().make(spec);
  try {
    validate(spec);
    FAIL() << "accepted";
  } catch (const UsageError& error) {
    EXPECT_THAT(error.what(), HasSubstr(GetParam().message));
  }
}

INSTANTIATE_TEST_SUITE_P(
    Each, RefusedSpec,
    ::testing::Values(
        Refusal{"memory_mib 511 (512 to 6144)", [](auto& spec) { spec.memory_mib = 511; }},
        Refusal{"memory_mib 6145", [](auto& spec) { spec.memory_mib = 6145; }},
        Refusal{"cpus 2 in count mode", [](auto& spec) { spec.cpus = 2; }},
        Refusal{"cpus 0", [](auto& spec) { spec.cpus = 0; }},
        Refusal{"kvm in count mode", [](auto& spec) { spec.accel = Accel::kvm; }},
        Refusal{"intel_iommu on pc",
                [](auto& spec) {
                  spec.chipset = Chipset::pc;
                  spec.intel_iommu = true;
                }},
        Refusal{"model \"ne2000\"",
                [](auto& spec) {
                  spec.nics = {{"a", "ne2000", "", {}}};
                }},
        Refusal{"two nics with the id \"a\"",
                [](auto& spec) {
                  spec.nics = {{"a", "e1000", "", {}}, {"a", "e1000", "", {}}};
                }},
        Refusal{"nic id \"a,b\"",
                [](auto& spec) {
                  spec.nics = {{"a,b", "e1000", "", {}}};
                }},
        Refusal{"a nic and a hub at once",
                [](auto& spec) {
                  spec.nics = {{"a", "e1000", "b", {}}, {"b", "e1000", "", {}}};
                }},
        Refusal{"property mac=1,romfile=/etc/passwd",
                [](auto& spec) {
                  spec.nics = {{"a", "e1000", "", {{"mac", "1,romfile=/etc/passwd"}}}};
                }},
        Refusal{"kernel argument \"a b\"", [](auto& spec) { spec.kernel_args = {"a b"}; }},
        Refusal{"boot module \"../x\"", [](auto& spec) { spec.boot_modules = {"../x"}; }},
        Refusal{"whole pages",
                [](auto& spec) {
                  spec.reserved = {{1U << 24, 100}};
                }},
        Refusal{"first MiB", [](auto& spec) {
                  spec.reserved = {{0, 4096}};
                }}));

TEST(MachineSpec, SurvivesJson) {
  MachineSpec spec;
  spec.chipset = Chipset::pc;
  spec.memory_mib = 1024;
  spec.nics = {{"nic0", "e1000", "hub", {{"mitigation", "off"}}}};
  spec.reserved = {{1U << 28, 1U << 20}};
  spec.kernel_args = {"a=b"};
  spec.mode = Mode::speed;
  spec.accel = Accel::tcg;
  const nlohmann::json json = spec;
  EXPECT_EQ(nlohmann::json(json.get<MachineSpec>()), json);
}

TEST(MachineSpec, RefusesAnUnknownName) {
  EXPECT_THROW((void)nlohmann::json::parse(R"({"mode": "fast"})").get<MachineSpec>(), UsageError);
}

std::vector<std::string> arguments_of(const MachineSpec& spec) {
  QemuChannels channels;
  channels.memory = "/proc/self/fd/9";
  channels.cables.resize(cables_of(spec).size(), 20);
  return qemu_arguments(spec, {}, channels);
}

TEST(QemuCommand, NumbersCablesOnce) {
  MachineSpec spec;
  spec.nics = {{"a", "e1000", "hub", {}}, {"b", "e1000", "", {}}, {"c", "e1000", "hub", {}}};
  EXPECT_THAT(cables_of(spec), ElementsAre("hub", "b"));
}

TEST(QemuCommand, CountsWithoutStringInstructionsOrWallClock) {
  const auto arguments = arguments_of({});
  EXPECT_THAT(arguments, Contains("shift=0,sleep=off"));
  EXPECT_THAT(arguments, Contains("max,la57=off,erms=off"));
  EXPECT_THAT(arguments, Contains("base=2026-01-01T00:00:00,clock=vm"));
}

TEST(QemuCommand, AlwaysRunsInTheSandbox) {
  EXPECT_THAT(arguments_of({}),
              Contains("on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"));
}

TEST(QemuCommand, PutsNicsWhereTheyCanBeUnplugged) {
  MachineSpec spec;
  spec.nics = {{"a", "e1000", "", {}}, {"b", "e1000", "", {}}};
  spec.edu = true;
  EXPECT_EQ(pci_slot(spec, "b"), "11.0/00.0");
  EXPECT_EQ(pci_address(spec, "b"), "0000:02:00.0");
  EXPECT_EQ(pci_address(spec, "edu"), "0000:00:04.0");
  spec.chipset = Chipset::pc;
  EXPECT_EQ(pci_slot(spec, "b"), "11.0");
  EXPECT_EQ(pci_address(spec, "b"), "0000:00:11.0");
  EXPECT_THROW((void)pci_slot(spec, "c"), UsageError);
}

TEST(KernelCommandLine, SaysWhatTheSpecSays) {
  MachineSpec spec;
  spec.intel_iommu = true;
  spec.init_on_free = true;
  spec.reserved = {{0x10000000, 0x100000}};
  spec.kernel_args = {"last=1"};
  const auto line = kernel_command_line(spec);
  EXPECT_THAT(line, HasSubstr(" intel_iommu=on iommu=strict"));
  EXPECT_THAT(line, HasSubstr(" init_on_free=1"));
  EXPECT_THAT(line, HasSubstr(" memmap=1048576$268435456"));
  EXPECT_TRUE(line.ends_with(" last=1"));
}

}  // namespace
}  // namespace zcl::vm
