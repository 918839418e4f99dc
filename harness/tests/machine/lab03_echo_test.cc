// SPDX-License-Identifier: MIT
// Lab 03's ring, both directions: the host sends numbered frames, a program in the guest sends them
// back from the buffers that they came in, and the host compares.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "harness/base/random.hh"
#include "harness/tests/machine/guest_program.hh"
#include "harness/tests/machine/lab03_modules.hh"
#include "harness/wire/flow.hh"
#include "harness/wire/link.hh"

namespace zcl::lab03 {
namespace {

using namespace std::chrono_literals;
using base::Deadline;
using testing::HasSubstr;

constexpr auto kPatience = 60s;
constexpr std::size_t kLongestFrame = 16124;  ///< the chip's limit, without the checksum
constexpr wire::MacAddress kHost = {2, 0, 0, 0, 0, 1};
constexpr wire::MacAddress kBroadcast = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

vm::MachineSpec one_card() {
  vm::MachineSpec spec;
  spec.mode = vm::Mode::speed;
  spec.nics = {{.id = "nic", .model = "e1000", .hub = "", .properties = {}}};
  return spec;
}

class RingEcho : public testing::Test {
 protected:
  explicit RingEcho(const vm::MachineSpec& spec = one_card())
      : machine_(vm::Machine::start(spec)), link_(machine_.take_nic_socket("nic")) {
    load_driver(machine_);
    interface_ = machine_.agent().interface_of("nic");
    machine_.agent().write_text("/sys/class/net/" + interface_ + "/mtu", "16110");
    machine_.agent().interface_up(interface_);
    settle();
  }
  void TearDown() override {
    const auto report = machine_.alarming();
    EXPECT_FALSE(report.has_value()) << report->summary << "\n" << report->console_tail;
  }

  void settle() {
    vm::wait_for_carrier(machine_, interface_, Deadline("link of the card", kPatience));
    machine_.agent().sleep_ns(vm::kReceptionHold);
  }
  vm::GuestProcess start(const std::string& program, const std::vector<std::string>& arguments) {
    std::vector<std::string> words = {vm::install_guest_program(machine_, program), interface_};
    words.insert(words.end(), arguments.begin(), arguments.end());
    auto process = machine_.agent().start({.argv = words});
    EXPECT_EQ(process.read_line(Deadline(program + " is ready", kPatience)), "ready");
    settle();  // other buffers may need other settings of the receiver
    return process;
  }
  std::string end(vm::GuestProcess& process) {
    process.close_input();
    const auto result = process.wait(Deadline("end of the program", kPatience));
    EXPECT_TRUE(result.ok()) << result.output << result.error;
    return result.output;
  }

  void send(const std::vector<std::size_t>& lengths, bool echoed = true) {
    constexpr std::uint64_t kOnTheirWay = 6;
    for (const auto length : lengths) {
      const auto sequence = account_.totals().offered;
      account_.offered(sequence, length);
      link_.send(wire::make_flow_frame(flow_, sequence, length).bytes,
                 Deadline("sending a flow", kPatience));
      if (echoed && sequence >= kOnTheirWay) take(kPatience, sequence - kOnTheirWay);
    }
  }
  void take(std::chrono::seconds time, std::uint64_t delivered) {
    const Deadline deadline("frames of a flow", time);
    while (account_.totals().delivered < delivered && !deadline.passed()) {
      if (const auto frame = link_.receive(deadline)) account_.arrived(frame->bytes);
    }
  }
  void expect_all_echoed(bool in_order = true) {
    take(kPatience, account_.totals().offered);
    const auto& totals = account_.totals();
    EXPECT_EQ(totals.delivered, totals.offered) << totals.text();
    EXPECT_EQ(totals.corrupted + totals.duplicates, 0U) << totals.text();
    EXPECT_TRUE(!in_order || totals.reordered == 0) << totals.text();
  }
  std::vector<std::size_t> lengths(std::size_t count, std::size_t longest = kLongestFrame) {
    std::vector<std::size_t> lengths(count);
    for (auto& length : lengths) length = 60 + random_.below(longest - 60 + 1);
    return lengths;
  }
  /// Where a frame begins or fills a buffer more.
  static std::vector<std::size_t> edges(std::size_t buffer) {
    std::vector<std::size_t> lengths = {60, 61, 64, 200, 1514, 9000, kLongestFrame};
    for (std::size_t end = buffer; end <= kLongestFrame; end += buffer) {
      for (const std::size_t length : {end - 1, end, end + 1}) lengths.push_back(length);
    }
    return lengths;
  }

  vm::Machine machine_;
  wire::Link link_;
  std::string interface_;
  wire::FlowSpec flow_{.seed = 7, .destination = kBroadcast, .source = kHost};
  wire::FlowAccount account_{flow_};
  base::RandomStream random_{1, "lengths of echoed frames"};
};

TEST_F(RingEcho, SendsFramesOfEveryKindBackFromSmallBuffers) {
  auto echo = start("ring_forward", {"ring", "2048"});
  send(edges(2048));
  send(lengths(300));
  expect_all_echoed();
  EXPECT_THAT(end(echo), HasSubstr("full 0 refused 0"));
}

TEST_F(RingEcho, SendsFramesOfEveryKindBackFromWholePages) {
  auto echo = start("ring_forward", {"ring", "4096"});
  send(edges(4096));
  send(lengths(300));
  expect_all_echoed();
  EXPECT_THAT(end(echo), HasSubstr("full 0 refused 0"));
}

TEST_F(RingEcho, ShowsAPacketInOnePiece) {
  auto viewer = start("ring_forward", {"view", "4096"});
  send(edges(4096), false);
  machine_.agent().sleep_ns(1'000'000'000);
  const auto sent = account_.totals().offered;
  EXPECT_THAT(end(viewer), HasSubstr("packets " + std::to_string(sent) + " "));
}

TEST_F(RingEcho, LeavesToTheStackWhatTheFilterDoesNotWant) {
  machine_.agent().interface_up(interface_, "10.0.0.2/24");
  auto echo = start("ring_forward", {"split", "2048"});
  send(lengths(100));
  expect_all_echoed();
  // "Who has 10.0.0.2?": 10.0.0.1 asks (RFC 826).
  base::Bytes question = {0,  1, 8, 0, 6, 4, 0, 1, 2, 0, 0,  0, 0, 1,
                          10, 0, 0, 1, 0, 0, 0, 0, 0, 0, 10, 0, 0, 2};
  link_.send(wire::make_frame(kBroadcast, kHost, 0x0806, question).bytes,
             Deadline("sending a question", kPatience));
  const Deadline deadline("an answer", kPatience);
  std::uint16_t type = 0;
  while (type != 0x0806 && !deadline.passed()) {
    if (const auto frame = link_.receive(deadline)) type = wire::ethertype(frame->bytes);
  }
  EXPECT_EQ(type, 0x0806) << "no answer to ARP";
  end(echo);
}

/// Whatever the mode is when a frame comes, one of the two programs sends it back, once.
TEST_F(RingEcho, ChangesItsModeUnderTrafficWithoutLosingAFrame) {
  auto stack = start("echo_frames", {});
  auto ring = start("ring_forward", {"toggle", "2048"});
  send(lengths(2000, 4000));
  expect_all_echoed(false);
  const auto by_ring = end(ring);
  end(stack);
  EXPECT_THAT(by_ring, testing::Not(HasSubstr("packets 0 ")));
}

vm::MachineSpec with_iommu() {
  auto spec = one_card();
  spec.intel_iommu = true;
  return spec;
}

class RingEchoBehindAnIommu : public RingEcho {
 protected:
  RingEchoBehindAnIommu() : RingEcho(with_iommu()) {}
};

TEST_F(RingEchoBehindAnIommu, SendsFramesBack) {
  auto echo = start("ring_forward", {"ring", "2048"});
  send(edges(2048));
  send(lengths(200));
  expect_all_echoed();
  EXPECT_THAT(end(echo), HasSubstr("full 0 refused 0"));
}

}  // namespace
}  // namespace zcl::lab03
