// SPDX-License-Identifier: MIT
// Frames through a real driver of an emulated card, and back.
#include <gtest/gtest.h>

#include <algorithm>

#include "harness/base/random.hh"
#include "harness/tests/machine/guest_program.hh"
#include "harness/wire/flow.hh"
#include "harness/wire/link.hh"
#include "harness/wire/rate.hh"

namespace zcl::wire {
namespace {

using namespace std::chrono_literals;
using base::Deadline;

constexpr MacAddress kHost = {2, 0, 0, 0, 0, 1};
constexpr MacAddress kBroadcast = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
constexpr std::uint32_t kHostIp = 0x0a000001;
constexpr std::uint32_t kGuestIp = 0x0a000002;
constexpr std::uint16_t kArp = 0x0806;
constexpr auto kPatience = 60s;

vm::MachineSpec wired_machine() {
  vm::MachineSpec spec;
  spec.nics = {{.id = "nic", .model = "e1000", .hub = "", .properties = {}}};
  spec.boot_modules = {"e1000"};
  return spec;
}

class Wire : public testing::Test {
 protected:
  Wire() : machine_(vm::Machine::start(wired_machine())), link_(machine_.take_nic_socket("nic")) {
    interface_ = machine_.agent().interface_of("nic");
    machine_.agent().interface_up(interface_, "10.0.0.2/24");
    wait_for_carrier(machine_, interface_, Deadline("link of the card", kPatience));
    machine_.agent().sleep_ns(vm::kReceptionHold);
  }
  vm::GuestProcess start_echo() {
    const auto program = install_guest_program(machine_, "echo_frames");
    auto echo = machine_.agent().start({.argv = {program, interface_}});
    EXPECT_EQ(echo.read_line(Deadline("echo_frames is ready", kPatience)), "ready");
    return echo;
  }
  /// Sends `count` frames of random lengths and takes what comes back meanwhile.
  void send(std::uint64_t count) {
    const auto first = account_.totals().offered;
    const auto make = [&](std::uint64_t i) {
      const auto bytes = smallest_frame(spec_) + random_.below(1514 - smallest_frame(spec_) + 1);
      account_.offered(first + i, bytes);
      return make_flow_frame(spec_, first + i, bytes);
    };
    send_paced(link_, count, {.frames_per_second = 20000, .burst = 8}, make,
               Deadline("sending a flow", kPatience), [&] { take(0s); });
  }
  /// Takes frames for `time`, or until `delivered` of the flow have arrived. (An idle guest's
  /// clock runs ahead, so its kernel's own frames never cease.)
  void take(std::chrono::seconds time, std::uint64_t delivered = ~std::uint64_t{0}) {
    const Deadline deadline("frames of a flow", time);
    while (account_.totals().delivered < delivered) {
      const auto frame = link_.receive(deadline);
      if (!frame) return;
      account_.arrived(frame->bytes);
      if (deadline.passed()) return;
    }
  }

  vm::Machine machine_;
  Link link_;
  std::string interface_;
  FlowSpec spec_{.seed = 5, .destination = kBroadcast, .source = kHost};
  FlowAccount account_{spec_};
  base::RandomStream random_{5, "frame lengths"};
};

TEST_F(Wire, EveryFrameComesBackIntactAndInOrder) {
  auto echo = start_echo();
  // Never more on their way than the card has descriptors: when QEMU hands queued frames to it,
  // what finds none is dropped.
  for (std::uint64_t sent = 100; sent <= 500; sent += 100) {
    send(100);
    take(kPatience, sent);
  }
  EXPECT_EQ(account_.totals().delivered, 500U) << account_.totals().text();
  EXPECT_EQ(
      account_.totals().reordered + account_.totals().corrupted + account_.totals().duplicates, 0U)
      << account_.totals().text();
  echo.close_input();
  EXPECT_EQ(echo.wait(Deadline("end of echo_frames", kPatience)).output, "echoed 500\n");
  EXPECT_FALSE(machine_.alarming());
}

TEST_F(Wire, FramesSentToAnUnpluggedCableAreTheOnesLost) {
  auto echo = start_echo();
  send(50);
  take(kPatience, 50);
  machine_.set_link("nic", false);
  send(30);
  take(1s);
  EXPECT_EQ(account_.totals().lost(), 30U) << account_.totals().text();
  const auto missing = account_.missing();
  ASSERT_EQ(missing.size(), 30U);
  EXPECT_EQ(missing.front(), 50U);
  EXPECT_EQ(missing.back(), 79U);
}

/// An ARP request of the host for the guest's address (RFC 826).
Frame arp_request() {
  base::Bytes body = {0, 1, 8, 0, 6, 4, 0, 1};
  body.insert(body.end(), kHost.begin(), kHost.end());
  body.insert(body.end(), {10, 0, 0, 1});
  body.insert(body.end(), 6, 0);
  body.insert(body.end(), {10, 0, 0, 2});
  return make_frame(kBroadcast, kHost, kArp, body);
}

TEST_F(Wire, TheKernelAnswersArpAndTakesUdp) {
  link_.send(arp_request().bytes, Deadline("ARP request", kPatience));
  const Deadline deadline("ARP reply", kPatience);
  MacAddress guest{};
  for (;;) {
    const auto frame = link_.receive(deadline);
    ASSERT_TRUE(frame);
    if (ethertype(frame->bytes) != kArp || frame->bytes.size() < 42 || frame->bytes[21] != 2) {
      continue;  // the kernel's own traffic
    }
    std::copy_n(frame->bytes.begin() + 22, 6, guest.begin());
    break;
  }
  // No socket listens: the kernel answers a datagram with good checksums by ICMP "unreachable"
  // (type 3, code 3), and one with a bad checksum by nothing.
  const Frame datagram =
      make_udp_frame(guest, kHost, kHostIp, kGuestIp, 4000, 4001, base::Bytes(20, 1));
  link_.send(datagram.bytes, Deadline("datagram", kPatience));
  const Deadline unreachable("ICMP port unreachable", kPatience);
  for (;;) {
    const auto frame = link_.receive(unreachable);
    ASSERT_TRUE(frame);
    const auto& bytes = frame->bytes;
    if (bytes.size() > 35 && ethertype(bytes) == 0x0800 && bytes[23] == 1) {
      EXPECT_EQ(bytes[34], 3);
      EXPECT_EQ(bytes[35], 3);
      break;
    }
  }
}

}  // namespace
}  // namespace zcl::wire
