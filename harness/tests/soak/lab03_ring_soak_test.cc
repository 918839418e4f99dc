// SPDX-License-Identifier: MIT
// Lab 03's ring, for longer: a million random writes, and lost wake-ups hunted on two and four
// processors.
#include <gtest/gtest.h>

#include "harness/tests/machine/lab03_ring_machine.hh"

namespace zcl::lab03 {
namespace {

using namespace std::chrono_literals;

class RingSoak : public RingInGuest {
 protected:
  RingSoak() : RingInGuest(two_cards(vm::Mode::speed)) {}
};

TEST_F(RingSoak, AMillionRandomWrites) {
  expect_good({"ring_hostile", sender_, nic_, "scribble", "1000000"}, 500s);
}

struct Hunt {
  const char* method;
  unsigned cpus;
};

class RingSoakWakeups : public RingInGuest, public testing::WithParamInterface<Hunt> {
 protected:
  RingSoakWakeups() : RingInGuest(two_cards(vm::Mode::speed, GetParam().cpus)) {}
};

TEST_P(RingSoakWakeups, AreNotLost) {
  for (const char* seed : {"1", "2", "3", "4", "5"}) {
    expect_good({"ring_wakeups", sender_, nic_, GetParam().method, "5000", seed}, 100s);
  }
}

std::vector<Hunt> hunts() {
  std::vector<Hunt> hunts;
  for (const unsigned cpus : {2U, 4U}) {
    for (const char* method : {"poll", "always", "epoll", "edge", "read", "eventfd"}) {
      hunts.push_back({method, cpus});
    }
  }
  return hunts;
}

INSTANTIATE_TEST_SUITE_P(Methods, RingSoakWakeups, testing::ValuesIn(hunts()),
                         [](const auto& hunt) {
                           return std::string(hunt.param.method) + "_" +
                                  std::to_string(hunt.param.cpus);
                         });

}  // namespace
}  // namespace zcl::lab03
