// SPDX-License-Identifier: MIT
// Lab 03's ring and driver together: real frames, by every way that a program can receive them.
#include <gtest/gtest.h>

#include "harness/tests/machine/lab03_ring_machine.hh"
#include "harness/vm/instruction_counter.hh"

namespace zcl::lab03 {
namespace {

/// What a packet cost, in guest instructions and system calls.
struct Cost {
  double user;
  double kernel;
  double calls;
  [[nodiscard]] double instructions() const { return user + kernel; }
};

std::ostream& operator<<(std::ostream& out, const Cost& cost) {
  return out << cost.user << " user and " << cost.kernel << " kernel instructions, " << cost.calls
             << " system calls";
}

class Receiving : public RingInGuest {
 protected:
  Cost receive(const std::string& method, unsigned rounds, unsigned burst, unsigned bytes) {
    const auto result = run({"ring_probe", sender_, nic_, method, std::to_string(rounds),
                             std::to_string(burst), std::to_string(bytes)});
    EXPECT_TRUE(result.ok()) << method << ": " << result.output << result.error;
    machine_.pause();
    const auto counts = vm::between_marks(machine_.counter().marks(), 1, 2);
    machine_.resume();
    const auto packets = static_cast<double>(rounds) * burst;
    return {.user = static_cast<double>(counts.user) / packets,
            .kernel = static_cast<double>(counts.kernel) / packets,
            .calls = static_cast<double>(counts.system_calls) / packets};
  }
};

TEST_F(Receiving, WorksByEveryMethod) {
  for (const auto* method : {"busy", "poll", "epoll", "eventfd", "read", "copy", "proc",
                             "map_packet", "own_memory", "always", "split"}) {
    receive(method, 32, 32, 64);
  }
}

TEST_F(Receiving, CostsLittleWhenBusy) {
  const auto cost = receive("busy", 500, 32, 64);
  EXPECT_LE(cost.instructions(), 142) << cost;
  EXPECT_LE(cost.calls, 1.0 / 32) << cost;
  const auto large = receive("busy", 500, 32, 1500);
  EXPECT_NEAR(large.instructions(), cost.instructions(), 0.02 * cost.instructions()) << large;
}

TEST_F(Receiving, CostsLittleByPollForEachPacket) {
  const auto cost = receive("poll", 1000, 1, 64);
  EXPECT_LE(cost.instructions(), 2100) << cost;
}

TEST_F(Receiving, RefusesWhatItShould) {
  expect_good({"ring_refused", nic_});
}

/// The cases of harness/tests/guest/ring_hostile.cc.
class HostileProgram : public RingInGuest, public testing::WithParamInterface<const char*> {
 protected:
  HostileProgram() : RingInGuest(two_cards(vm::Mode::speed)) {}
};

TEST_P(HostileProgram, LosesNothingButItsOwnPackets) {
  expect_good({"ring_hostile", sender_, nic_, GetParam(), "200000"});
}

INSTANTIATE_TEST_SUITE_P(Cases, HostileProgram,
                         testing::Values("scribble", "mappings", "killed", "unplugged"),
                         [](const auto& each) { return each.param; });

/// harness/tests/guest/ring_wakeups.cc, the receiver on one processor and the sender on another.
class Wakeups : public RingInGuest, public testing::WithParamInterface<const char*> {
 protected:
  Wakeups() : RingInGuest(two_cards(vm::Mode::speed, 2)) {}
};

TEST_P(Wakeups, AreNotLost) {
  expect_good({"ring_wakeups", sender_, nic_, GetParam(), "1000", "1"});
}

INSTANTIATE_TEST_SUITE_P(Methods, Wakeups,
                         testing::Values("poll", "always", "epoll", "edge", "read", "eventfd"),
                         [](const auto& method) { return method.param; });

}  // namespace
}  // namespace zcl::lab03
