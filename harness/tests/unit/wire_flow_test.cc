// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include "harness/base/random.hh"
#include "harness/wire/flow.hh"
#include "harness/wire/rate.hh"
#include "labs/common/user/flow_frame.hh"

namespace zcl::wire {
namespace {

using base::Bytes;

constexpr MacAddress kHost = {2, 0, 0, 0, 0, 1};
constexpr MacAddress kGuest = {2, 0, 0, 0, 0, 2};

TEST(Frame, IsPaddedToTheMinimum) {
  const Frame frame = make_frame(kGuest, kHost, 0x0806, Bytes{1, 2, 3});
  ASSERT_EQ(frame.bytes.size(), 60U);
  EXPECT_EQ(Bytes(frame.bytes.begin(), frame.bytes.begin() + 18),
            (Bytes{2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 6, 1, 2, 3, 0}));
  EXPECT_EQ(ethertype(frame.bytes), 0x0806);
  EXPECT_EQ(ethertype(Bytes(13)), 0);
}

TEST(Frame, UdpChecksumsAreThoseOfAKnownPacket) {
  // Sums worked out by hand from RFC 1071: 10.0.0.1:1000 -> 10.0.0.2:2000, payload "abc".
  const Frame frame =
      make_udp_frame(kGuest, kHost, 0x0a000001, 0x0a000002, 1000, 2000, Bytes{'a', 'b', 'c'});
  const Bytes ip(frame.bytes.begin() + 14, frame.bytes.begin() + 45);
  EXPECT_EQ(ip, (Bytes{0x45, 0, 0, 31, 0, 0,    0x40, 0,    64, 17, 0x26, 0xcc, 10,  0,   0,  1,
                       10,   0, 0, 2,  3, 0xe8, 7,    0xd0, 0,  11, 0x1b, 0xbb, 'a', 'b', 'c'}));
  const auto payload = udp_payload(frame.bytes);
  EXPECT_EQ(Bytes(payload.begin(), payload.end()), (Bytes{'a', 'b', 'c'}));
}

TEST(Frame, UdpPayloadRefusesAnyChangedByte) {
  const Frame good = make_udp_frame(kGuest, kHost, 1, 2, 3, 4, Bytes(100, 0x5a));
  ASSERT_EQ(udp_payload(good.bytes).size(), 100U);
  for (std::size_t at = kEthernetHeader; at < good.bytes.size(); ++at) {
    Frame bad = good;
    bad.bytes[at] ^= 0x10;
    EXPECT_TRUE(udp_payload(bad.bytes).empty()) << "byte " << at;
  }
}

TEST(Frame, AnyBytesAreReadWithinTheirBounds) {
  base::RandomStream random(3, "frames");
  const Frame good = make_udp_frame(kGuest, kHost, 1, 2, 3, 4, Bytes(40, 1));
  FlowAccount account({});
  for (int i = 0; i < 50000; ++i) {
    Bytes bytes = i % 2 == 0 ? random.bytes(random.below(100)) : good.bytes;
    if (i % 2 == 1) {
      bytes.resize(random.below(bytes.size() + 1));
      if (!bytes.empty()) bytes[random.below(bytes.size())] ^= 0x04;
    }
    static_cast<void>(udp_payload(bytes));
    account.arrived(bytes);
  }
  EXPECT_EQ(account.totals().delivered, 0U);
}

/// A flow of 100 frames of many lengths, offered but not yet arrived.
class Flow : public testing::TestWithParam<bool> {
 protected:
  Flow() : account_(spec()) {
    for (std::uint64_t i = 0; i < 100; ++i) {
      const std::size_t bytes = smallest_frame(spec()) + 13 * i;
      frames_.push_back(make_flow_frame(spec(), i, bytes));
      EXPECT_EQ(frames_.back().bytes.size(), bytes);
      account_.offered(i, bytes);
    }
  }
  static FlowSpec spec() {
    FlowSpec spec{.number = 9, .seed = 77, .destination = kGuest, .source = kHost};
    spec.udp = GetParam();
    spec.source_ip = 0x0a000001;
    spec.destination_ip = 0x0a000002;
    spec.source_port = spec.destination_port = 9;
    return spec;
  }

  FlowAccount account_;
  std::vector<Frame> frames_;
};

TEST_P(Flow, ArrivesWhole) {
  for (const auto& frame : frames_) EXPECT_TRUE(account_.arrived(frame.bytes));
  EXPECT_EQ(account_.totals().delivered, 100U);
  EXPECT_EQ(account_.totals().lost(), 0U);
  EXPECT_EQ(account_.totals().reordered, 0U);
  EXPECT_TRUE(account_.missing().empty());
}

TEST_P(Flow, LossReorderAndDuplicatesAreToldApart) {
  for (std::size_t i = 0; i < 100; ++i) {
    if (i == 10 || i == 20) continue;  // 10 is lost, 20 comes late
    account_.arrived(frames_[i].bytes);
    if (i == 30) account_.arrived(frames_[20].bytes);
    if (i == 40) account_.arrived(frames_[35].bytes);  // a second time
  }
  const FlowTotals& totals = account_.totals();
  EXPECT_EQ(totals.delivered, 99U);
  EXPECT_EQ(totals.lost(), 1U);
  EXPECT_EQ(totals.reordered, 1U);
  EXPECT_EQ(totals.duplicates, 1U);
  EXPECT_EQ(account_.missing(), std::vector<std::uint64_t>{10});
  EXPECT_EQ(totals.text(),
            "offered 100, delivered 99, lost 1, reordered 1, duplicates 1, corrupted 0, foreign 0");
}

TEST_P(Flow, EachChangedContentByteIsSeen) {
  const Frame& good = frames_[3];
  for (std::size_t at = kEthernetHeader + (GetParam() ? 28 : 0); at < good.bytes.size(); ++at) {
    Frame bad = good;
    bad.bytes[at] ^= 0x01;
    account_.arrived(bad.bytes);
    EXPECT_EQ(account_.totals().delivered, 0U) << "byte " << at;
  }
  // The magic and the flow number make a frame foreign, every other byte corrupted.
  EXPECT_GE(account_.totals().corrupted, good.bytes.size() - kEthernetHeader - 28 - 8);
  EXPECT_TRUE(account_.arrived(good.bytes));
  EXPECT_EQ(account_.totals().lost(), 99U);
}

TEST_P(Flow, ATruncatedFrameIsCorruptedAndANeverSentOneToo) {
  Bytes cut = frames_[50].bytes;
  cut.resize(cut.size() - 1);
  EXPECT_TRUE(account_.arrived(cut));
  EXPECT_TRUE(account_.arrived(make_flow_frame(spec(), 100, 200).bytes));
  EXPECT_TRUE(account_.arrived(make_flow_frame(spec(), ~std::uint64_t{0}, 200).bytes));
  // One that was sent, whole in itself, but shorter than it was sent.
  EXPECT_TRUE(account_.arrived(make_flow_frame(spec(), 50, frames_[50].bytes.size() - 1).bytes));
  EXPECT_EQ(account_.totals().corrupted, 4U);
}

TEST_P(Flow, OthersOnTheCableAreForeign) {
  FlowSpec other = spec();
  other.number = 8;
  EXPECT_FALSE(account_.arrived(make_flow_frame(other, 0, 100).bytes));
  EXPECT_FALSE(account_.arrived(make_frame(kHost, kGuest, 0x0806, Bytes(46)).bytes));
  EXPECT_FALSE(account_.arrived({}));
  EXPECT_EQ(account_.totals().foreign, 3U);
}

TEST_P(Flow, RefusesImpossibleFramesAndGaps) {
  EXPECT_THROW(make_flow_frame(spec(), 0, smallest_frame(spec()) - 1), std::length_error);
  EXPECT_THROW(make_flow_frame(spec(), 0, kLargestFrame + 1), std::length_error);
  EXPECT_THROW(account_.offered(101, 100), std::logic_error);
}

INSTANTIATE_TEST_SUITE_P(Ethernet, Flow, testing::Values(false));
INSTANTIATE_TEST_SUITE_P(Udp, Flow, testing::Values(true));

TEST(FlowFrame, ChecksumSeesChangesAndOrder) {
  Bytes payload(64);
  flow::write_payload(payload.data(), payload.size(), 1, 2, 3);
  flow::Header header;
  ASSERT_TRUE(flow::read_header(payload.data(), payload.size(), header));
  EXPECT_EQ(header.flow, 2U);
  EXPECT_EQ(header.sequence, 3U);
  EXPECT_EQ(header.checksum, flow::checksum(payload.data(), payload.size()));
  Bytes swapped = payload;
  for (std::size_t i = 0; i < 4; ++i) std::swap(swapped[24 + i], swapped[28 + i]);
  EXPECT_NE(header.checksum, flow::checksum(swapped.data(), swapped.size()));
}

TEST(Pacer, HoldsTheAverageWhateverTheDelays) {
  const auto start = Pacer::Clock::time_point{};
  Pacer pacer({.frames_per_second = 1000, .burst = 10}, start);
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(pacer.due() - start, std::chrono::milliseconds(10 * i));
    pacer.sent();
  }
  EXPECT_EQ(pacer.burst_size(3), 3U);
  EXPECT_EQ(pacer.burst_size(30), 10U);
  EXPECT_EQ(Pacer({}, start).due(), start);
  EXPECT_THROW(Pacer({.frames_per_second = -1}, start), std::invalid_argument);
  EXPECT_THROW(Pacer({.burst = 0}, start), std::invalid_argument);
}

TEST(SendPaced, SendsEachFrameOnceInOrder) {
  using namespace std::chrono_literals;
  auto [ours, theirs] = base::socket_pair();
  Link link(std::move(ours));
  Link far(std::move(theirs));
  const FlowSpec spec;
  FlowAccount account(spec);
  const auto make = [&](std::uint64_t i) {
    account.offered(i, 100);
    return make_flow_frame(spec, i, 100);
  };
  send_paced(link, 95, {.frames_per_second = 100000, .burst = 10}, make,
             base::Deadline("send", 60s));
  while (const auto frame = far.receive(base::Deadline("drain", 0s))) {
    account.arrived(frame->bytes);
  }
  EXPECT_EQ(account.totals().delivered, 95U);
  EXPECT_EQ(account.totals().reordered, 0U);
  // A rate that cannot be met before the deadline is refused at once, not slept through.
  EXPECT_THROW(send_paced(link, 2, {.frames_per_second = 0.001}, make, base::Deadline("slow", 1s)),
               std::logic_error);
}

}  // namespace
}  // namespace zcl::wire
