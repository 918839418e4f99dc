// SPDX-License-Identifier: MIT
// Lab 03's receive measurements: what is known beforehand of a receiver comes out, and comes out
// again.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "harness/vm/guest_program.hh"
#include "labs/03_dma_driver/host/rx_programs.hh"
#include "labs/03_dma_driver/host/rx_run.hh"

namespace zcl::lab03 {
namespace {

/// Of totals, between two runs.
constexpr double kTolerance = 0.02;

const RxReceiver& find_receiver(const std::string& name) {
  const auto& all = rx_receivers();
  return *std::find_if(all.begin(), all.end(), [&](const auto& each) { return each.name == name; });
}

RxResult measure(const RxReceiver& receiver, const RxPoint& point) {
  auto machine = start_rx_machine(receiver);
  const std::string path = "/zcl/" + receiver.program;
  vm::put_program(machine.agent(), rx_program(receiver), path);
  return measure_rx(machine, path, point);
}

TEST(RxMeasurement, TheBareRingCostsOneRegisterWriteABurstAndNoKernel) {
  const auto result = measure(find_receiver("bare_ring"), {.receiver = "bare_ring"});
  EXPECT_EQ(result.delivered, result.offered);
  EXPECT_EQ(result.syscalls, 0);
  EXPECT_EQ(result.interrupts, 0);
  EXPECT_DOUBLE_EQ(result.register_accesses, 1.0 / 32);
  EXPECT_LT(result.kernel_instructions, 2) << "at most a timer tick";
  EXPECT_GT(result.user_instructions, 20) << "a packet's words are added up";
}

TEST(RxMeasurement, RecvfromCostsACallAPacketAndAnInterruptABurst) {
  const RxPoint point{.receiver = "recvfrom"};
  const auto& receiver = find_receiver("recvfrom");
  const auto first = measure(receiver, point);
  EXPECT_EQ(first.delivered, first.offered);
  EXPECT_DOUBLE_EQ(first.syscalls, 1);
  EXPECT_NEAR(first.interrupts, 1.0 / 32, 0.001);
  const auto second = measure(receiver, point);
  EXPECT_NEAR(second.instructions, first.instructions, kTolerance * first.instructions);
}

TEST(RxMeasurement, TheSendersCostIsTakenOffWherePacketsArePaced) {
  const auto result =
      measure(find_receiver("recvmmsg"), {.receiver = "recvmmsg", .traffic = RxTraffic::paced});
  EXPECT_EQ(result.delivered, result.offered);
  // One that gives a burst, one that was asleep; the sender's own is not among them.
  EXPECT_NEAR(result.syscalls, 1.0 / 32, 0.002);
}

TEST(RxMeasurement, LossIsWhatAReceiverDidNotGet) {
  const auto slow = measure(find_receiver("recvfrom"),
                            {.receiver = "recvfrom", .traffic = RxTraffic::loss, .kpps = 1000});
  EXPECT_EQ(slow.offered, 60000U);
  EXPECT_GT(slow.lost(), 0U);
  const auto fast = measure(find_receiver("bare_ring"),
                            {.receiver = "bare_ring", .traffic = RxTraffic::loss, .kpps = 1000});
  EXPECT_EQ(fast.lost(), 0U);
}

TEST(RxMeasurement, AProgramWithSharedLibrariesRunsInTheGuest) {
  const auto result = measure(find_receiver("libpcap"), {.receiver = "libpcap"});
  EXPECT_EQ(result.delivered, result.offered);
}

TEST(RxMeasurement, AReceiverThatFailsIsAnErrorWithItsReason) {
  const auto& receiver = find_receiver("recvfrom");
  try {
    measure(receiver, {.receiver = "recvfrom", .frame_bytes = 9999});
    FAIL() << "frames of 9999 bytes were accepted";
  } catch (const std::runtime_error& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("usage: "));
  }
}

}  // namespace
}  // namespace zcl::lab03
