// SPDX-License-Identifier: MIT
// The kernel's side of lab 03's queues: what it hands over, and what it does not believe.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "harness/base/paths.hh"
#include "harness/base/process.hh"
#include "harness/base/random.hh"
#include "harness/tests/ring/ring_memory.hh"

namespace zcl::test {
namespace {

using testing::HasSubstr;

constexpr std::uint32_t to_u32(std::uint64_t value) {
  return static_cast<std::uint32_t>(value);
}

constexpr std::uint8_t kWhole = ZCL_WHOLE_PACKET;

/// 8 slots each way, 2 spare buffers, 4 of the NIC's: RxBuf has 0-7, TxBuf 8-15, the program 16 and
/// 17, the NIC 18-21.
class RingQueue : public testing::Test {
 protected:
  static constexpr std::uint32_t kNic = 18;

  RingMemory ring{8, 8, 2, 4};
  user::RxConsumer consumer{ring.rxq, ring.rxbuf.data(), 8};
  user::TxProducer producer{ring.txq, ring.txbuf.data(), 8};
  zcl_fragment fragments[ZCL_MAX_FRAGMENTS]{};

  /// By index. -> the buffer that takes its place
  std::uint32_t put(std::uint32_t buffer, std::uint32_t length, std::uint8_t flags,
                    std::uint8_t type) {
    const auto handle = zcl_rxq_put(&ring.rx, zcl_buffer_handle(buffer), length, flags, type);
    return zcl_buffer_at(ring.rx.buffers, handle)->index;
  }
  std::uint32_t put(std::uint32_t buffer, std::uint8_t flags = kWhole) {
    return put(buffer, 60, flags, 0);
  }
  /// One pass that receives `count` packets, each into what the last one gave. -> the last one
  std::uint32_t receive(std::uint32_t count, std::uint32_t buffer = kNic) {
    zcl_rxq_look(&ring.rx);
    while (count-- > 0) buffer = put(buffer);
    zcl_rxq_publish(&ring.rx);
    return buffer;
  }
  void submit(std::uint32_t buffer, std::uint16_t length = 60, std::uint8_t flags = kWhole) {
    auto* slot = producer.reserve();
    ASSERT_NE(slot, nullptr);
    *slot = {.buffer = buffer, .length = length, .flags = flags, .type = 0, .timestamp = 0};
    producer.submit();
  }
  int take() {
    zcl_txq_look(&ring.tx);
    return zcl_txq_take(&ring.tx, fragments);
  }
};

TEST_F(RingQueue, ExchangesTheReceivedBufferForTheSlotsOwn) {
  zcl_rxq_look(&ring.rx);
  ring.rx.now = 7;
  EXPECT_EQ(put(kNic, 64, kWhole, ZCL_PACKET_IPV4), 0U);
  EXPECT_TRUE(consumer.available().empty()) << "before it is published";
  EXPECT_TRUE(zcl_rxq_publish(&ring.rx));
  EXPECT_FALSE(zcl_rxq_publish(&ring.rx));
  const auto slots = consumer.available();
  ASSERT_EQ(slots.size(), 1U);
  EXPECT_EQ(slots[0].buffer, kNic);
  EXPECT_EQ(slots[0].length, 64);
  EXPECT_EQ(slots[0].flags, kWhole);
  EXPECT_EQ(slots[0].type, ZCL_PACKET_IPV4);
  EXPECT_EQ(slots[0].timestamp, 7U);
  EXPECT_EQ(ring.buffers[0].taken.by.receiving, 1);
  EXPECT_EQ(ring.buffers[kNic].taken.by.receiving, 0);
}

TEST_F(RingQueue, DropsWhenFullAndGoesOnAfterARelease) {
  EXPECT_EQ(receive(8), 7U);
  EXPECT_EQ(receive(1, 7), 7U) << "no slot: the same buffer again";
  EXPECT_EQ(ring.rx.ring_full, 1U);
  consumer.release(1);
  EXPECT_EQ(receive(1, 7), kNic) << "the first slot's buffer, which the program has returned";
  EXPECT_EQ(ring.rx.packets, 9U);
}

TEST_F(RingQueue, IndicesWrapAt32Bits) {
  ring.rx.packet = ring.rx.next = ring.rx.tail = ring.rx.published = 0xfffffffdU;
  ring.rxq.head = ring.rxq.tail = 0xfffffffdU;
  user::RxConsumer late{ring.rxq, ring.rxbuf.data(), 8};
  std::uint32_t buffer = kNic;
  for (int round = 0; round < 4; ++round) {
    buffer = receive(2, buffer);
    std::size_t seen = 0;
    for (auto slots = late.available(); !slots.empty(); slots = late.available()) {
      seen += slots.size();
      late.release(slots.size());
    }
    EXPECT_EQ(seen, 2U);
  }
  EXPECT_EQ(ring.rxq.head, 5U);
  EXPECT_EQ(ring.rx.bad_tail, 0U);
}

TEST_F(RingQueue, ShowsAPacketOfSeveralBuffersOnlyWhenItIsWhole) {
  zcl_rxq_look(&ring.rx);
  put(18, ZCL_START_OF_PACKET);
  put(19, 0);
  EXPECT_FALSE(zcl_rxq_publish(&ring.rx));
  zcl_rxq_look(&ring.rx);
  put(20, ZCL_END_OF_PACKET);
  EXPECT_TRUE(zcl_rxq_publish(&ring.rx));
  EXPECT_EQ(consumer.available().size(), 3U);
  EXPECT_EQ(ring.rx.packets, 1U);
  EXPECT_EQ(ring.rx.bytes, 180U);
}

TEST_F(RingQueue, DropsAPacketAsAWhole) {
  receive(7);
  EXPECT_EQ(put(19, ZCL_START_OF_PACKET), 7U);
  EXPECT_EQ(put(20, 0), 20U) << "no slot left";
  EXPECT_EQ(put(21, ZCL_END_OF_PACKET), 21U);
  EXPECT_FALSE(zcl_rxq_publish(&ring.rx));
  EXPECT_EQ(ring.rx.ring_full, 1U);
  EXPECT_EQ(ring.rx.packets, 7U);
  EXPECT_EQ(put(20, 0), 20U) << "the rest of a packet that never began";
  // The slot is used again; the buffer that was exchanged into it is the program's.
  EXPECT_EQ(put(20), 19U);
  EXPECT_EQ(ring.rx.packets, 8U);
}

TEST_F(RingQueue, DoesNotBelieveAnImpossibleTail) {
  std::uint32_t buffer = receive(3);
  for (const std::uint32_t tail : {4U, 0xffffffffU, 0x80000000U}) {
    ring.rxq.tail = tail;
    zcl_rxq_look(&ring.rx);
    EXPECT_EQ(ring.rx.limit, 8U) << tail;
  }
  EXPECT_EQ(ring.rx.bad_tail, 3U);
  ring.rxq.tail = 3;
  buffer = receive(1, buffer);
  EXPECT_EQ(ring.rx.limit, 11U);
  ring.rxq.tail = 2;  // backwards
  zcl_rxq_look(&ring.rx);
  EXPECT_EQ(ring.rx.limit, 11U);
  EXPECT_EQ(ring.rx.bad_tail, 4U);
}

TEST_F(RingQueue, TakesNoBufferThatIsNotTheProgramsToGive) {
  zcl_rxq_look(&ring.rx);
  for (const std::uint32_t bad : {22U, 0xffffffffU, kNic, kNic + 1}) {
    ring.rxbuf[0].buffer = bad;
    EXPECT_EQ(put(kNic), kNic) << bad;
  }
  submit(8);
  ASSERT_EQ(take(), 1);
  ring.rxbuf[0].buffer = 8;
  EXPECT_EQ(put(kNic), kNic) << "it is being sent";
  EXPECT_EQ(ring.rx.bad_buffer, 5U);
  EXPECT_EQ(ring.rx.packets, 0U);
  ring.rxbuf[0].buffer = 16;
  EXPECT_EQ(put(kNic), 16U) << "one of the spare ones";
}

TEST_F(RingQueue, TakesABufferOfferedTwiceOnce) {
  zcl_rxq_look(&ring.rx);
  ring.rxbuf[1].buffer = 0;
  EXPECT_EQ(put(18), 0U);
  EXPECT_EQ(put(19), 19U) << "0 is the NIC's already";
  EXPECT_EQ(ring.rx.bad_buffer, 1U);
}

TEST_F(RingQueue, SendsInOrderAndReturnsInOrder) {
  submit(8);
  submit(9, 2048);
  ASSERT_EQ(take(), 1);
  EXPECT_EQ(fragments[0].buffer, 8U);
  zcl_txq_commit(&ring.tx, fragments, 1);
  ASSERT_EQ(take(), 1);
  EXPECT_EQ(fragments[0].length, 2048U);
  zcl_txq_commit(&ring.tx, fragments, 1);
  EXPECT_EQ(take(), 0);
  EXPECT_FALSE(zcl_txq_return(&ring.tx, 0));
  EXPECT_EQ(producer.pending(), 2U);
  EXPECT_TRUE(zcl_txq_return(&ring.tx, 1));
  EXPECT_EQ(producer.pending(), 1U);
  EXPECT_EQ(ring.buffers[8].taken.by.sending, 0);
  EXPECT_EQ(ring.buffers[9].taken.by.sending, 1);
  EXPECT_TRUE(zcl_txq_return(&ring.tx, 1));
  EXPECT_EQ(ring.tx.packets, 2U);
  EXPECT_EQ(ring.tx.bytes, 2108U);
}

TEST_F(RingQueue, WaitsForTheEndOfAPacket) {
  submit(8, 14, ZCL_START_OF_PACKET);
  EXPECT_EQ(take(), 0);
  EXPECT_EQ(ring.buffers[8].taken.by.sending, 0) << "the claim is undone";
  submit(9, 46, ZCL_END_OF_PACKET);
  ASSERT_EQ(take(), 2);
  EXPECT_EQ(fragments[1].buffer, 9U);
  EXPECT_EQ(fragments[1].length, 46U);
}

struct BadSlot {
  const char* name;
  zcl_descriptor slot;
};

class RingQueueRefuses : public RingQueue, public testing::WithParamInterface<BadSlot> {};

TEST_P(RingQueueRefuses, AndSendsWhatComesBeforeAndAfter) {
  submit(8);
  const auto& bad = GetParam().slot;
  submit(bad.buffer, bad.length, bad.flags);
  submit(10);
  ASSERT_EQ(take(), 1);
  zcl_txq_commit(&ring.tx, fragments, 1);
  EXPECT_EQ(take(), -1);
  ASSERT_EQ(take(), 1);
  EXPECT_EQ(fragments[0].buffer, 10U);
  zcl_txq_commit(&ring.tx, fragments, 1);
  EXPECT_EQ(ring.txbuf[1].flags & ZCL_FAILED, ZCL_FAILED);
  EXPECT_EQ(ring.tx.bad_slot, 1U);
  zcl_txq_return(&ring.tx, 1);
  EXPECT_EQ(producer.pending(), 1U) << "the refused slot comes back with the one before it";
  zcl_txq_return(&ring.tx, 1);
  EXPECT_EQ(producer.pending(), 0U);
  for (const auto& buffer : ring.buffers) EXPECT_EQ(buffer.taken.by.sending, 0);
}

INSTANTIATE_TEST_SUITE_P(Slots, RingQueueRefuses,
                         testing::Values(BadSlot{"buffer_beyond", {22, 60, kWhole, 0, 0}},
                                         BadSlot{"buffer_far_beyond",
                                                 {0xffffffffU, 60, kWhole, 0, 0}},
                                         BadSlot{"buffer_of_the_nic", {18, 60, kWhole, 0, 0}},
                                         BadSlot{"buffer_being_sent", {8, 60, kWhole, 0, 0}},
                                         BadSlot{"length_zero", {9, 0, kWhole, 0, 0}},
                                         BadSlot{"length_beyond", {9, 2049, kWhole, 0, 0}},
                                         BadSlot{"no_start", {9, 60, ZCL_END_OF_PACKET, 0, 0}}),
                         [](const auto& bad) { return bad.param.name; });

TEST_F(RingQueue, RefusesAPacketWithABufferTwice) {
  submit(8, 60, ZCL_START_OF_PACKET);
  submit(8, 60, ZCL_END_OF_PACKET);
  EXPECT_EQ(take(), -1);
  EXPECT_EQ(ring.buffers[8].taken.by.sending, 0);
  EXPECT_TRUE(zcl_txq_return(&ring.tx, 0)) << "nothing is on its way: they come back at once";
  EXPECT_EQ(producer.pending(), 0U);
}

TEST_F(RingQueue, RefusesAPacketThatFillsTheRingWithoutAnEnd) {
  for (std::uint32_t i = 0; i < 8; ++i) submit(8 + i, 60, i == 0 ? ZCL_START_OF_PACKET : 0);
  EXPECT_EQ(take(), -1);
  EXPECT_TRUE(zcl_txq_return(&ring.tx, 0));
  submit(8);
  EXPECT_EQ(take(), 1);
}

TEST_F(RingQueue, RefusesAPacketThatTheChipCannotSend) {
  ring.tx.max_packet = 3000;
  submit(8, 2000, ZCL_START_OF_PACKET);
  submit(9, 2000, ZCL_END_OF_PACKET);
  EXPECT_EQ(take(), -1);
}

TEST_F(RingQueue, DoesNotBelieveAnImpossibleHead) {
  submit(8);
  ASSERT_EQ(take(), 1);
  zcl_txq_commit(&ring.tx, fragments, 1);
  for (const std::uint32_t head : {0U, 9U, 0xffffffffU}) {
    ring.txq.head = head;
    EXPECT_EQ(take(), 0) << head;
  }
  EXPECT_EQ(ring.tx.bad_head, 3U);
}

/// Whatever stands on the page: no buffer gets lost or doubled, no index leaves its range.
TEST_F(RingQueue, KeepsItsBooksOverARandomPage) {
  base::RandomStream random(1, "hostile page");
  std::vector<std::uint32_t> nic = {18, 19, 20, 21};
  std::uint32_t sending = 0;
  const auto noise = [&] {
    return random.below(4) == 0 ? to_u32(random.next()) : to_u32(random.below(24));
  };
  for (int round = 0; round < 100000; ++round) {
    ring.rxq.tail = random.below(2) == 0 ? ring.rx.packet : noise();
    ring.txq.head = random.below(2) == 0 ? ring.tx.next + to_u32(random.below(9)) : noise();
    auto& rx_slot = ring.rxbuf[random.below(8)];
    rx_slot.buffer = noise();
    auto& tx_slot = ring.txbuf[random.below(8)];
    tx_slot = {noise(), static_cast<std::uint16_t>(noise()),
               static_cast<std::uint8_t>(random.next()), 0, 0};
    zcl_rxq_look(&ring.rx);
    for (auto& buffer : nic) buffer = put(buffer, static_cast<std::uint8_t>(random.below(4)));
    zcl_rxq_publish(&ring.rx);
    zcl_txq_look(&ring.tx);
    const int count = zcl_txq_take(&ring.tx, fragments);
    if (count > 0) {
      zcl_txq_commit(&ring.tx, fragments, static_cast<std::uint32_t>(count));
      sending += static_cast<std::uint32_t>(count);
    }
    if (random.below(3) == 0) {
      zcl_txq_return(&ring.tx, sending);
      sending = 0;
    }
    ASSERT_LE(ring.tx.next - ring.tx.tail, 8U);
    ASSERT_LE(ring.rx.packet - ring.rx.tail, 8U);
    std::uint32_t receiving = 0;
    std::uint32_t claimed = 0;
    for (const auto& buffer : ring.buffers) {
      receiving += buffer.taken.by.receiving;
      claimed += buffer.taken.by.sending;
    }
    ASSERT_EQ(receiving, 4U);
    ASSERT_EQ(claimed, sending);
    for (const auto buffer : nic) ASSERT_EQ(ring.buffers.at(buffer).taken.by.receiving, 1);
  }
  EXPECT_GT(ring.rx.packets, 1000U);
  EXPECT_GT(ring.rx.bad_buffer, 1000U);
  EXPECT_GT(ring.rx.bad_tail, 1000U);
  EXPECT_GT(ring.tx.packets, 100U);
  EXPECT_GT(ring.tx.bad_slot, 100U);
  EXPECT_GT(ring.tx.bad_head, 1000U);
}

base::CommandResult run_stress(const char* program, const char* packets, const char* seed) {
  return base::run_command({.argv = {base::build_root() / program, packets, seed}});
}

TEST(RingOrder, BothSidesRunAsThreadsWithoutARace) {
  for (const char* seed : {"1", "2", "3"}) {
    const auto result = run_stress("ring_stress", "100000", seed);
    EXPECT_TRUE(result.ok()) << result.error;
    EXPECT_THAT(result.output, HasSubstr("100000 received"));
  }
}

TEST(RingOrder, APlainStoreInPlaceOfTheReleaseIsCaught) {
  const auto result = run_stress("ring_stress_plain_release", "10000", "1");
  EXPECT_EQ(result.exit_status, 66) << result.error;
  EXPECT_THAT(result.error, HasSubstr("data race"));
  EXPECT_THAT(result.error, HasSubstr("zcl_rxq_publish"));
}

}  // namespace
}  // namespace zcl::test
