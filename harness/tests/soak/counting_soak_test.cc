// SPDX-License-Identifier: MIT
// Repeatability of counts: many clones, one figure.
#include <gtest/gtest.h>

#include <algorithm>

#include "harness/tests/machine/guest_program.hh"
#include "harness/vm/instruction_counter.hh"

namespace zcl::vm {
namespace {

constexpr int kClones = 20;
constexpr double kTolerance = 2.0;  // percent

TEST(CountingSoak, TwentyClonesCountTheSame) {
  MachineSpec spec;
  spec.mode = Mode::count;
  std::vector<std::uint64_t> user;
  std::vector<std::uint64_t> total;
  for (int i = 0; i < kClones; ++i) {
    Machine machine = Machine::start(spec);
    const auto program = install_guest_program(machine, "count_probe");
    ASSERT_TRUE(machine.agent().run({.argv = {program, "syscalls", "300000"}}).ok());
    machine.pause();
    // Between the job's own marks: around it, an idle guest's timers run on while the host takes
    // its time.
    const auto counts = between_marks(machine.counter().marks(), 1, 2);
    total.push_back(counts.total());
    user.push_back(counts.user);
    EXPECT_EQ(counts.system_calls, 300000U);
  }
  EXPECT_EQ(std::ranges::min(user), std::ranges::max(user));
  const auto low = static_cast<double>(std::ranges::min(total));
  const auto high = static_cast<double>(std::ranges::max(total));
  EXPECT_LE(100 * (high - low) / low, kTolerance) << low << " to " << high;
  RecordProperty("spread_percent", std::to_string(100 * (high - low) / low));
}

}  // namespace
}  // namespace zcl::vm
