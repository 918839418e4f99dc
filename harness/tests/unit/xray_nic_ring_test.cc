// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include <map>

#include "harness/base/random.hh"
#include "harness/tests/unit/synthetic_memory.hh"
#include "harness/xray/nic_ring.hh"

namespace zcl::xray {
namespace {

using Registers = std::map<std::uint32_t, std::uint32_t>;

ReadRegister reader(const Registers& registers) {
  return [&registers](std::uint32_t at) {
    const auto found = registers.find(at);
    return found == registers.end() ? 0 : found->second;
  };
}

TEST(NicRing, ReadsE1000Receive) {
  test::SyntheticMemory ram({.memory_mib = 6144});
  const vm::PhysicalAddress ring = (4ULL << 30) + 0x5000;
  // Buffer, then length, checksum, status, errors, special.
  ram.store<std::uint64_t>(ring, 0x123456789);
  ram.store<std::uint64_t>(ring + 8, 0x0000'00'03'ffff'05dc);
  ram.store<std::uint64_t>(ring + 16, 0x2000);
  Registers registers{{0x100, 2},    {0x2800, 0x5000}, {0x2804, 1},
                      {0x2808, 128}, {0x2810, 1},      {0x2818, 7}};
  auto descriptors = read_e1000_ring(ram.memory(), reader(registers), Direction::receive);
  ASSERT_EQ(descriptors.size(), 8U);
  EXPECT_EQ(descriptors[0].descriptor, ring);
  EXPECT_EQ(descriptors[0].buffer, 0x123456789U);
  EXPECT_EQ(descriptors[0].length, 1500);
  EXPECT_EQ(descriptors[0].capacity, 2048);
  EXPECT_TRUE(descriptors[0].done && descriptors[0].end_of_packet);
  EXPECT_EQ(descriptors[1].buffer, 0x2000U);
  EXPECT_FALSE(descriptors[1].done);
  EXPECT_FALSE(descriptors[0].with_chip);
  EXPECT_TRUE(descriptors[1].with_chip && descriptors[6].with_chip);
  EXPECT_FALSE(descriptors[7].with_chip);
  registers[0x2818] = 0;  // the tail has wrapped
  EXPECT_TRUE(read_e1000_ring(ram.memory(), reader(registers), Direction::receive)[7].with_chip);
  registers[0x100] = 2 | 1U << 25 | 3U << 16;  // 4096-byte buffers
  descriptors = read_e1000_ring(ram.memory(), reader(registers), Direction::receive);
  EXPECT_EQ(descriptors[0].capacity, 4096);
  registers[0x100] = 0;
  EXPECT_TRUE(read_e1000_ring(ram.memory(), reader(registers), Direction::receive).empty());
}

TEST(NicRing, ReadsE1000TransmitAndSkipsContexts) {
  test::SyntheticMemory ram;
  // Legacy, end of packet, done; then a context; then an extended data descriptor.
  ram.store<std::uint64_t>(0x5000, 0x11000);
  ram.store<std::uint64_t>(0x5008, 0x0000'00'01'01'00'0040);
  ram.store<std::uint64_t>(0x5010, 0xffff);
  ram.store<std::uint64_t>(0x5018, 0x0000'00'00'20'00'0000);
  ram.store<std::uint64_t>(0x5020, 0x22000);
  ram.store<std::uint64_t>(0x5028, 0x0000'00'00'21'10'0800);
  const Registers registers{{0x400, 2}, {0x3800, 0x5000}, {0x3808, 48}};
  const auto descriptors = read_e1000_ring(ram.memory(), reader(registers), Direction::transmit);
  ASSERT_EQ(descriptors.size(), 2U);
  EXPECT_EQ(descriptors[0].length, 64);
  EXPECT_TRUE(descriptors[0].done && descriptors[0].end_of_packet);
  EXPECT_EQ(descriptors[1].index, 2U);
  EXPECT_EQ(descriptors[1].length, 2048);
  EXPECT_FALSE(descriptors[1].done);
}

TEST(NicRing, ReadsRtl8139UpToTheEndOfItsRing) {
  test::SyntheticMemory ram;
  ram.store<std::uint64_t>(0x6000, 0x30000000 | 1504);  // done, first and last segment
  ram.store<std::uint64_t>(0x6008, 0x40000);
  ram.store<std::uint64_t>(0x6010, 0xc0000000 | 1536);  // with the chip, last of the ring
  ram.store<std::uint64_t>(0x6018, 0x41000);
  Registers registers{{0x34, 3U << 26}, {0xe4, 0x6000}};
  const auto descriptors = read_rtl8139_ring(ram.memory(), reader(registers), Direction::receive);
  ASSERT_EQ(descriptors.size(), 2U);
  EXPECT_TRUE(descriptors[0].done && descriptors[0].end_of_packet);
  EXPECT_EQ(descriptors[0].length, 1504);
  EXPECT_FALSE(descriptors[1].done);
  EXPECT_EQ(descriptors[1].buffer, 0x41000U);
  registers[0xe4] = 0;
  EXPECT_TRUE(read_rtl8139_ring(ram.memory(), reader(registers), Direction::receive).empty())
      << "the chip's older mode has no descriptors";
}

TEST(NicRing, IsBoundedWhateverTheRegistersHold) {
  test::SyntheticMemory ram;
  base::RandomStream random(31, "registers");
  const auto anything = [&](std::uint32_t) { return static_cast<std::uint32_t>(random.next()); };
  const auto all_ones = [](std::uint32_t) { return 0xffffffffU; };
  const auto low = [&](std::uint32_t at) {
    return at == 0x2804 || at == 0x3804 || at == 0xe8 || at == 0x24 ? 0U : 0x1ffffff6U;
  };
  for (const Direction direction : {Direction::receive, Direction::transmit}) {
    for (int i = 0; i < 200; ++i) {
      EXPECT_LE(read_e1000_ring(ram.memory(), anything, direction).size(), 4096U);
      EXPECT_LE(read_rtl8139_ring(ram.memory(), anything, direction).size(), 64U);
    }
    EXPECT_TRUE(read_e1000_ring(ram.memory(), all_ones, direction).empty());
    EXPECT_EQ(read_e1000_ring(ram.memory(), low, direction).size(), 1U) << "runs out of RAM";
  }
}

}  // namespace
}  // namespace zcl::xray
