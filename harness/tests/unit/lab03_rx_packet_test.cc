// SPDX-License-Identifier: MIT
// The packets of lab 03's receive measurements, and the account that a receiver keeps of them.
#include <gtest/gtest.h>

#include <vector>

#include "harness/wire/frame.hh"
#include "labs/03_dma_driver/user/rx_packet.hh"

namespace zcl::rx {
namespace {

std::vector<std::uint8_t> make_frame(std::size_t length, FrameKind kind, std::uint64_t sequence) {
  std::vector<std::uint8_t> frame(length);
  write_frame(frame.data(), length, kind, sequence);
  return frame;
}

TEST(RxPacket, SumsToTheSameWhateverItsNumber) {
  for (const auto kind : {FrameKind::plain, FrameKind::udp}) {
    for (const std::size_t length : {kSummedBytes, std::size_t{1500}, kLargestFrame}) {
      auto frame = make_frame(length, kind, 7);
      EXPECT_EQ(sum_of(frame.data()), kSum);
      renumber(frame.data(), 1'000'000'007);
      EXPECT_EQ(sum_of(frame.data()), kSum);
      EXPECT_EQ(load(frame.data() + kSequenceOffset), 1'000'000'007U);
    }
  }
}

TEST(RxPacket, IsUdpWhereItSaysSo) {
  const auto frame = make_frame(1500, FrameKind::udp, 0);
  EXPECT_EQ(wire::udp_payload(frame).size(), 1500U - 42);
  EXPECT_TRUE(wire::udp_payload(make_frame(1500, FrameKind::plain, 0)).empty());
  std::uint32_t sum = 0;  // of the IPv4 header, its checksum included (RFC 1071)
  for (std::size_t at = 14; at < 34; at += 2) sum += frame[at] * 256U + frame[at + 1];
  EXPECT_EQ((sum & 0xffff) + (sum >> 16), 0xffffU);
}

TEST(RxAccount, TakesWhatCameInOrderWithGaps) {
  Account account(64);
  for (const std::uint64_t sequence : {0U, 1U, 2U, 900U}) {
    account.take(make_frame(64, FrameKind::plain, sequence).data(), 64);
  }
  EXPECT_EQ(account.taken(), 4U);
  EXPECT_EQ(account.wrong(), 0U);
}

TEST(RxAccount, SeesEachChangedByteOfTheFirst64) {
  for (std::size_t at = 0; at < kSummedBytes; ++at) {
    auto frame = make_frame(1500, FrameKind::udp, 5);
    frame[at] ^= 0x10;
    Account account(1500);
    account.take(frame.data(), frame.size());
    EXPECT_EQ(account.wrong(), 1U) << at;
  }
}

TEST(RxAccount, SeesCopiesOvertakenOnesAndOtherLengths) {
  Account account(64);
  const auto third = make_frame(64, FrameKind::plain, 2);
  account.take(third.data(), 64);
  account.take(third.data(), 64);
  EXPECT_EQ(account.wrong(), 1U);
  account.take(make_frame(64, FrameKind::plain, 1).data(), 64);
  EXPECT_EQ(account.wrong(), 2U);
  account.take(make_frame(68, FrameKind::plain, 9).data(), 68);
  EXPECT_EQ(account.wrong(), 3U);
}

}  // namespace
}  // namespace zcl::rx
