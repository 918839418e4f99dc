// SPDX-License-Identifier: MIT
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "harness/tests/unit/synthetic_memory.hh"
#include "harness/xray/census.hh"

namespace zcl::xray {
namespace {

using ::testing::ElementsAre;

constexpr std::uint64_t kGiB = 1ULL << 30;

base::ByteView part(const Payload& payload, std::size_t begin, std::size_t end) {
  return base::ByteView(payload.bytes()).subspan(begin, end - begin);
}

Payload random_payload(std::size_t length, std::uint64_t seed = 1) {
  base::RandomStream random(seed, "payload");
  return {random, length};
}

TEST(Search, FindsEveryAlignmentAndOverlap) {
  base::RandomStream random(3, "search");
  const base::Bytes needle = random.bytes(16);
  for (std::size_t size : {16U, 17U, 100U, 143U, 144U, 145U, 160U, 1000U, 5000U}) {
    base::Bytes haystack(size);
    for (std::size_t at = 0; at + needle.size() <= size; ++at) {
      std::fill(haystack.begin(), haystack.end(), 0);
      std::copy(needle.begin(), needle.end(), haystack.begin() + static_cast<long>(at));
      ASSERT_THAT(find_all(haystack, needle), ElementsAre(at)) << size;
    }
  }
  const base::Bytes same(8, 0x41);
  const base::Bytes run(300, 0x41);
  EXPECT_EQ(find_all(run, same).size(), 293U);
  EXPECT_TRUE(find_all(base::Bytes(15), base::Bytes(16)).empty());
  EXPECT_THROW(find_all(run, base::Bytes(7)), std::invalid_argument);
}

TEST(Search, AgreesWithTheFallbackOnEverything) {
  base::RandomStream random(4, "search");
  for (int round = 0; round < 2000; ++round) {
    // Few byte values, so that anchors stand everywhere and matches are many.
    const std::uint64_t values = 1 + random.below(3);
    base::Bytes haystack(random.below(700));
    for (auto& byte : haystack) byte = static_cast<std::uint8_t>(0xff + random.below(values));
    base::Bytes needle(8 + random.below(4));
    for (auto& byte : needle) byte = static_cast<std::uint8_t>(0xff + random.below(values));
    std::vector<std::size_t> expected;
    for (std::size_t at = 0; at + needle.size() <= haystack.size(); ++at) {
      if (std::equal(needle.begin(), needle.end(), haystack.begin() + static_cast<long>(at))) {
        expected.push_back(at);
      }
    }
    ASSERT_EQ(find_all(haystack, needle), expected);
    std::vector<Found> found;
    Searcher({needle}, Searcher::Method::portable).search(haystack, found);
    ASSERT_EQ(found.size(), expected.size());
    for (std::size_t i = 0; i < found.size(); ++i) ASSERT_EQ(found[i].offset, expected[i]);
  }
}

TEST(Search, TakesOnePassForNeedlesThatShareTwoBytes) {
  base::RandomStream random(5, "search");
  base::Bytes haystack = random.bytes(100000);
  std::vector<base::Bytes> needles;
  for (int i = 0; i < 5; ++i) needles.push_back(random.bytes(16));
  for (const bool shared : {false, true}) {
    for (auto& needle : needles) {
      if (shared) needle[7] = needle[9] = 0x91;
    }
    // One occurrence of each at the start, over every block of the search, and at the end.
    std::vector<Found> expected;
    std::size_t at = 0;
    for (std::size_t i = 0; i < needles.size(); ++i) {
      std::copy(needles[i].begin(), needles[i].end(), haystack.begin() + static_cast<long>(at));
      expected.push_back({at, i});
      at = std::min<std::size_t>((i + 1) * 16384 - i - 1, haystack.size() - 16);
    }
    const Searcher searcher(needles);
    EXPECT_EQ(searcher.passes(), shared ? 1U : 5U);
    std::vector<Found> found;
    searcher.search(haystack, found);
    EXPECT_THAT(found, ::testing::UnorderedElementsAreArray(expected));
  }
  EXPECT_THROW(Searcher({}), std::invalid_argument);
  EXPECT_THROW(Searcher({base::Bytes(8), base::Bytes(9)}), std::invalid_argument);
}

TEST(Payload, HasMarksThatDoNotOverlap) {
  for (const std::size_t length : {48U, 49U, 60U, 1000U, 16000U}) {
    const Payload payload = random_payload(length);
    EXPECT_EQ(payload.bytes().size(), length);
    EXPECT_EQ(payload.mark_offset(Mark::head), 0U);
    EXPECT_GE(payload.mark_offset(Mark::middle), kMarkBytes);
    EXPECT_GE(payload.mark_offset(Mark::tail), payload.mark_offset(Mark::middle) + kMarkBytes);
    EXPECT_EQ(payload.mark_offset(Mark::tail) + kMarkBytes, length);
    const auto& marks = payload.mark_offsets();
    for (std::size_t i = 1; i < marks.size(); ++i) {
      EXPECT_GE(marks[i], marks[i - 1] + kMarkBytes);
      EXPECT_LT(marks[i], marks[i - 1] + kMarkSpacing + kMarkBytes);
    }
  }
  base::RandomStream random(1, "payload");
  EXPECT_THROW(Payload(random, 47), std::invalid_argument);
  EXPECT_THROW(Payload(base::Bytes(47, 1)), std::invalid_argument);
  EXPECT_THROW(Payload(base::Bytes(100, 0)), std::invalid_argument) << "constant";
}

TEST(Census, FindsWholeCopiesAnywhere) {
  test::SyntheticMemory ram({.chipset = vm::Chipset::q35, .memory_mib = 6144});
  const Payload payload = random_payload(1000);
  const std::vector<vm::PhysicalAddress> addresses{
      0,                    // the very first byte
      0x5432,               // across nothing
      0x7ffe,               // over a page
      (16U << 10) * 9 - 5,  // over a block of the search
      (4U << 20) - 3,       // over two threads' shares
      2 * kGiB - 1000,      // the last bytes below the hole
      4 * kGiB,             // the first above it
      5 * kGiB + 123,
      8 * kGiB - 1000,  // the last byte of RAM
  };
  for (const auto address : addresses) ram.write(address, payload.bytes());
  const Census census = take_census(ram.memory(), payload);
  ASSERT_EQ(census.places.size(), addresses.size());
  for (std::size_t i = 0; i < addresses.size(); ++i) {
    EXPECT_EQ(census.places[i].address, addresses[i]);
    EXPECT_TRUE(census.places[i].complete);
    EXPECT_TRUE(census.places[i].head && census.places[i].middle && census.places[i].tail);
  }
  EXPECT_EQ(census.copies(), addresses.size());
  EXPECT_LT(census.bytes_searched, 100U * 4096) << "only what was written";
}

TEST(Census, FindsMarksOverTheBorderOfTwoThreadsWork) {
  test::SyntheticMemory ram;
  const Payload payload = random_payload(1000);
  base::RandomStream random(12, "noise");
  ram.write(0, random.bytes(4U << 20));  // one run, so that the borders are whole MiB
  const std::vector<Mark> marks{Mark::head, Mark::middle, Mark::tail};
  for (std::size_t i = 0; i < marks.size(); ++i) {
    ram.write(((i + 1) << 20) - payload.mark_offset(marks[i]) - kMarkBytes / 2, payload.bytes());
  }
  const Census census = take_census(ram.memory(), payload);
  ASSERT_EQ(census.places.size(), marks.size());
  for (const Place& place : census.places) {
    EXPECT_TRUE(place.head && place.middle && place.tail) << place.address;
  }
}

TEST(Census, DoesNotJoinAcrossTheHole) {
  test::SyntheticMemory ram({.chipset = vm::Chipset::q35, .memory_mib = 4096});
  const Payload payload = random_payload(64);
  // Neighbours in the file, 2 GiB apart in physical memory. Cut inside the middle mark.
  ram.write(2 * kGiB - 30, part(payload, 0, 30));
  ram.write(4 * kGiB, part(payload, 30, 64));
  const Census census = take_census(ram.memory(), payload);
  ASSERT_EQ(census.places.size(), 2U);
  EXPECT_TRUE(census.places[0].head);
  EXPECT_FALSE(census.places[0].middle);
  EXPECT_EQ(census.places[0].first_byte(), 2 * kGiB - 30);
  EXPECT_EQ(census.places[0].end, 30U);
  EXPECT_TRUE(census.places[1].tail);
  EXPECT_EQ(census.places[1].first_byte(), 4 * kGiB);
  EXPECT_EQ(census.places[1].begin, 30U);
  EXPECT_EQ(census.copies(), 1U) << "two pieces of one copy";
}

TEST(Census, TellsPartialCopiesApart) {
  test::SyntheticMemory ram;
  const Payload payload = random_payload(1500);
  ram.write(0x10000, payload.bytes());
  ram.write(0x20000, part(payload, 0, 128));  // a pulled header
  ram.write(0x30000 + 1400, part(payload, 1400, 1500));
  base::Bytes holed = payload.bytes();
  std::fill(holed.begin() + 100, holed.begin() + 200, 0);
  ram.write(0x40000, holed);
  const Census census = take_census(ram.memory(), payload);
  ASSERT_EQ(census.places.size(), 5U);
  EXPECT_TRUE(census.places[0].complete);
  EXPECT_TRUE(census.places[1].head);
  EXPECT_FALSE(census.places[1].tail);
  EXPECT_EQ(census.places[1].end, 128U);
  EXPECT_EQ(census.places[2].begin, 1400U);
  EXPECT_EQ(census.places[2].address, 0x30000U);
  EXPECT_EQ(census.places[3].end, 100U);
  EXPECT_EQ(census.places[4].begin, 200U);
  EXPECT_TRUE(census.places[4].middle && census.places[4].tail && !census.places[4].complete);
  EXPECT_EQ(census.copies(), 3U) << "the first bytes stand in three places";
}

TEST(Census, CountsACopyOverScatteredPagesOnce) {
  // Copies whose page boundary falls into the payload at every position, also inside a mark; the
  // pages of a copy are not neighbours.
  const Payload payload = random_payload(400);
  for (std::size_t cut = 0; cut <= 400; cut += 1) {
    test::SyntheticMemory ram;
    vm::PhysicalAddress page = 0x100000;
    for (int copy = 0; copy < 2; ++copy) {
      ram.write(page + 4096 - cut, part(payload, 0, cut));
      ram.write(page + 0x4000, part(payload, cut, 400));
      page += 0x10000;
    }
    ASSERT_EQ(take_census(ram.memory(), payload, 1).copies(), 2U) << cut;
  }
}

TEST(Census, FindsEveryPieceOfAFrameSplitOverBuffers) {
  test::SyntheticMemory ram;
  const Payload payload = random_payload(16000);
  for (std::size_t begin = 0; begin < 16000; begin += 2048) {
    const std::size_t end = std::min<std::size_t>(begin + 2048, 16000);
    ram.write(0x100000 + begin * 16, part(payload, begin, end));
  }
  const Census census = take_census(ram.memory(), payload);
  ASSERT_EQ(census.places.size(), 8U);
  std::size_t next = 0;
  for (const Place& place : census.places) {
    EXPECT_EQ(place.begin, next);
    next = place.end;
  }
  EXPECT_EQ(next, 16000U);
  EXPECT_EQ(census.copies(), 1U);
}

TEST(Census, SearchesForAPayloadOfSomebodyElse) {
  test::SyntheticMemory ram;
  base::RandomStream random(11, "frame");
  const Payload payload(random.bytes(1000));
  ram.write(0x12345, payload.bytes());
  ram.write(0x54321, payload.bytes());
  EXPECT_EQ(take_census(ram.memory(), payload).copies(), 2U);
}

TEST(Census, IsNotFooledByANeighbourThatMatchesByChance) {
  test::SyntheticMemory ram;
  const Payload payload = random_payload(400);
  ram.write(0x10000 - 200, part(payload, 0, 201));  // one byte too many, as chance may have it
  ram.write(0x30000, part(payload, 200, 400));
  EXPECT_EQ(take_census(ram.memory(), payload).copies(), 1U);
}

TEST(Census, FindsMarksThatReachIntoPagesNeverWritten) {
  base::Bytes bytes = random_payload(48).bytes();
  std::fill(bytes.begin() + 40, bytes.end(), 0);
  std::fill(bytes.begin(), bytes.begin() + 5, 0);
  const Payload payload(bytes);
  test::SyntheticMemory ram;
  ram.write(0x10000 - 40, base::ByteView(bytes).first(40));  // zeros follow in a sparse page
  ram.write(0x20000, base::ByteView(bytes).subspan(5));      // and precede
  const Census census = take_census(ram.memory(), payload);
  ASSERT_EQ(census.places.size(), 2U);
  EXPECT_TRUE(census.places[0].complete);
  EXPECT_EQ(census.places[1].address, 0x20000U - 5);
  EXPECT_TRUE(census.places[1].complete);
}

TEST(Census, BoundsWhatAHostileGuestCanMakeItList) {
  test::SyntheticMemory ram;
  const Payload payload = random_payload(48);
  base::Bytes flood;
  while (flood.size() < 4U << 20) {
    flood.insert(flood.end(), payload.bytes().begin(), payload.bytes().end());
  }
  ram.write(0x100000, flood);
  const Census census = take_census(ram.memory(), payload);
  EXPECT_TRUE(census.truncated);
  EXPECT_LE(census.places.size(), kMostPlaces);
  EXPECT_GT(census.places.size(), 1000U);
}

TEST(Census, FindsNothingInEmptyAndInRandomMemory) {
  test::SyntheticMemory ram;
  const Payload payload = random_payload(1000);
  EXPECT_TRUE(take_census(ram.memory(), payload).places.empty());
  base::RandomStream random(9, "noise");
  ram.write(0x100000, random.bytes(8U << 20));
  EXPECT_TRUE(take_census(ram.memory(), payload).places.empty());
}

TEST(Census, IsTheSameWithAnyNumberOfThreads) {
  test::SyntheticMemory ram;
  const Payload payload = random_payload(1500);
  base::RandomStream random(10, "noise");
  ram.write(0, random.bytes(24U << 20));
  for (int i = 0; i < 200; ++i) ram.write(random.below(24U << 20), payload.bytes());
  const Census one = take_census(ram.memory(), payload, 1);
  for (const unsigned threads : {2U, 3U, 8U}) {
    const Census many = take_census(ram.memory(), payload, threads);
    ASSERT_EQ(many.places.size(), one.places.size());
    for (std::size_t i = 0; i < one.places.size(); ++i) {
      EXPECT_EQ(many.places[i].address, one.places[i].address);
      EXPECT_EQ(many.places[i].begin, one.places[i].begin);
      EXPECT_EQ(many.places[i].end, one.places[i].end);
    }
  }
}

}  // namespace
}  // namespace zcl::xray
