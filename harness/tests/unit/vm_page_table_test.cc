// SPDX-License-Identifier: MIT
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "harness/base/random.hh"
#include "harness/tests/unit/synthetic_memory.hh"
#include "harness/vm/page_table.hh"

namespace zcl::vm {
namespace {

constexpr std::uint64_t kTable = 0x7;  // present, writable, user
constexpr std::uint64_t kLarge = 1ULL << 7;
constexpr std::uint64_t kNoExecute = 1ULL << 63;
constexpr VirtualAddress kAddress = 0x0000'7fab'cdef'1234;

std::uint64_t index_of(VirtualAddress address, int level) {
  return (address >> (12 + 9 * (level - 1))) & 511;
}

/// One chain of tables for one address: the table of level n stands at n * 0x10000.
class PageTable : public ::testing::TestWithParam<int> {
 protected:
  PhysicalAddress entry_at(int level) const {
    return static_cast<PhysicalAddress>(level) * 0x10000 + 8 * index_of(kAddress, level);
  }
  void set(int level, std::uint64_t value) { ram_.store(entry_at(level), value); }
  /// Tables from the root down to `leaf`, whose own entry is `value`.
  AddressSpace chain(int levels, int leaf, std::uint64_t value) {
    for (int level = levels; level > leaf; --level) {
      set(level, static_cast<std::uint64_t>(level - 1) * 0x10000 | kTable);
    }
    set(leaf, value);
    return {static_cast<PhysicalAddress>(levels) * 0x10000, levels};
  }
  std::optional<Translation> walk_it(const AddressSpace& space) {
    return walk(ram_.memory(), space, kAddress);
  }
  std::vector<Translation> all_of(const AddressSpace& space) {
    std::vector<Translation> found;
    for_each_user_page(ram_.memory(), space,
                       [&](const Translation& page) { found.push_back(page); });
    return found;
  }

  test::SyntheticMemory ram_;
};

INSTANTIATE_TEST_SUITE_P(Levels, PageTable, ::testing::Values(4, 5));

TEST_P(PageTable, WalksToASmallPage) {
  const AddressSpace space = chain(GetParam(), 1, 0x123000 | kTable);
  const auto found = walk_it(space);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->physical_address, 0x123234U);
  EXPECT_EQ(found->page_size, 4096U);
  EXPECT_TRUE(found->writable);
  EXPECT_TRUE(found->user);
  EXPECT_FALSE(found->no_execute);
  ASSERT_EQ(found->entries.size(), static_cast<std::size_t>(GetParam()));
  EXPECT_EQ(found->entries.front().level, GetParam());
  EXPECT_EQ(found->entries.back().level, 1);
  EXPECT_EQ(found->entries.back().address, entry_at(1));
  EXPECT_EQ(found->entries.back().value, 0x123000 | kTable);

  const auto all = all_of(space);
  ASSERT_EQ(all.size(), 1U);
  EXPECT_EQ(all[0].virtual_address, kAddress & ~0xfffULL);
  EXPECT_EQ(all[0].physical_address, 0x123000U);
  EXPECT_EQ(all[0].entries.size(), found->entries.size());
}

TEST_P(PageTable, WalksToLargePages) {
  const auto two_mib = walk_it(chain(GetParam(), 2, 0x40000000 | kTable | kLarge | 1U << 12));
  ASSERT_TRUE(two_mib);
  EXPECT_EQ(two_mib->page_size, 1U << 21);
  EXPECT_EQ(two_mib->physical_address, 0x40000000U + (kAddress & 0x1fffff));
  EXPECT_TRUE(two_mib->pat) << "bit 12 is PAT in a large page, no address bit";

  const auto one_gib = walk_it(chain(GetParam(), 3, 0x80000000 | kTable | kLarge));
  ASSERT_TRUE(one_gib);
  EXPECT_EQ(one_gib->page_size, 1U << 30);
  EXPECT_EQ(one_gib->physical_address, 0x80000000U + (kAddress & 0x3fffffff));
  EXPECT_FALSE(one_gib->pat);
  const auto all = all_of({static_cast<PhysicalAddress>(GetParam()) * 0x10000, GetParam()});
  ASSERT_EQ(all.size(), 1U);
  EXPECT_EQ(all[0].page_size, 1U << 30);
}

TEST_P(PageTable, CombinesRightsOfAllLevels) {
  const int levels = GetParam();
  const AddressSpace space = chain(levels, 1, 0x123000 | kTable | 1U << 3 | 1U << 4 | kLarge);
  auto found = walk_it(space);
  ASSERT_TRUE(found);
  EXPECT_TRUE(found->write_through);
  EXPECT_TRUE(found->cache_disable);
  EXPECT_TRUE(found->pat) << "bit 7 of a PT entry is PAT";
  set(levels, static_cast<std::uint64_t>(levels - 1) * 0x10000 | 0x1 | kNoExecute);
  found = walk_it(space);
  ASSERT_TRUE(found);
  EXPECT_FALSE(found->writable);
  EXPECT_FALSE(found->user);
  EXPECT_TRUE(found->no_execute);
}

TEST_P(PageTable, RefusesWhatTheProcessorWouldFaultOn) {
  const int levels = GetParam();
  EXPECT_FALSE(walk_it(chain(levels, 1, 0x123000))) << "not present";
  EXPECT_FALSE(walk_it(chain(levels, 2, 0x40002000 | kTable | kLarge))) << "reserved bit 13";
  EXPECT_FALSE(walk_it(chain(levels, 3, 0x40200000 | kTable | kLarge))) << "reserved bit 21";
  EXPECT_FALSE(walk_it(chain(levels, 4, 0x8000000000 | kTable | kLarge))) << "512 GiB page";
  EXPECT_FALSE(walk_it(chain(levels, 2, 0x000f'0000'0000'0000 | kTable))) << "table outside RAM";
  EXPECT_FALSE(walk_it(chain(levels, 2, 0x20000000 | kTable))) << "one past the end of RAM";
  EXPECT_FALSE(walk_it({0x000f'0000'0000'0000, levels})) << "root outside RAM";
  EXPECT_FALSE(walk_it({0x40000, 3}));
  EXPECT_TRUE(all_of({0x000f'0000'0000'0000, levels}).empty());
}

TEST_P(PageTable, RefusesAddressesThatAreNotCanonical) {
  const int levels = GetParam();
  const AddressSpace space = chain(levels, 1, 0x123000 | kTable);
  EXPECT_FALSE(walk(ram_.memory(), space, kAddress | 1ULL << 63));
  EXPECT_FALSE(walk(ram_.memory(), space, kAddress | 1ULL << 58));
  if (levels == 4) {
    EXPECT_FALSE(walk(ram_.memory(), space, kAddress | 1ULL << 48));
  }
}

TEST_P(PageTable, LetsAPageLieOutsideRam) {
  const auto found = walk_it(chain(GetParam(), 1, 0xfebc0000 | kTable));
  ASSERT_TRUE(found) << "a device register mapped into a process";
  EXPECT_EQ(found->physical_address, 0xfebc0234U);
}

TEST_P(PageTable, EndsOnATableThatContainsItself) {
  const int levels = GetParam();
  const PhysicalAddress root = 0x50000;
  for (std::uint64_t i = 0; i < 512; ++i) ram_.store(root + 8 * i, root | kTable);
  const AddressSpace space{root, levels};
  const auto found = walk_it(space);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->physical_address, root + 0x234);
  // Each level visits the table once: the pages are the entries of the one visit at level 1.
  EXPECT_EQ(all_of(space).size(), 512U);
}

TEST_P(PageTable, LeavesTheKernelsHalfOut) {
  const int levels = GetParam();
  const AddressSpace space = chain(levels, 1, 0x123000 | kTable);
  const auto root = static_cast<PhysicalAddress>(levels) * 0x10000;
  ram_.store(root + 8 * 511, ram_.memory().load<std::uint64_t>(entry_at(levels)));
  EXPECT_EQ(all_of(space).size(), 1U);
}

TEST_P(PageTable, VisitsARangeOfEitherHalf) {
  const int levels = GetParam();
  const AddressSpace space = chain(levels, 1, 0x123000 | kTable);
  const auto root = static_cast<PhysicalAddress>(levels) * 0x10000;
  const VirtualAddress upper = kAddress | (~0ULL << (levels == 5 ? 56 : 47));
  ram_.store(root + 8 * index_of(upper, levels),
             ram_.memory().load<std::uint64_t>(entry_at(levels)));
  std::vector<VirtualAddress> found;
  const auto visit = [&](const Translation& page) { found.push_back(page.virtual_address); };
  const VirtualAddress page = upper & ~0xfffULL;
  for_each_page(ram_.memory(), space, page, page + 0xfff, visit);
  EXPECT_THAT(found, ::testing::ElementsAre(page));
  found.clear();
  for_each_page(ram_.memory(), space, 1ULL << 63 | ~0ULL << 47, ~0ULL, visit);
  EXPECT_EQ(found.size(), levels == 5 ? 0U : 1U);
  found.clear();
  for_each_page(ram_.memory(), space, ~0ULL << (levels == 5 ? 56 : 47), ~0ULL, visit);
  EXPECT_THAT(found, ::testing::ElementsAre(page));
  found.clear();
  for_each_page(ram_.memory(), space, page + 0x1000, page + 0xffff, visit);
  for_each_page(ram_.memory(), space, page - 0x1000, page - 1, visit);
  for_each_page(ram_.memory(), space, page + 1, page, visit);
  for_each_page(ram_.memory(), space, 0, 1ULL << 62, visit);
  EXPECT_TRUE(found.empty());
}

TEST_P(PageTable, SurvivesRandomGarbage) {
  base::RandomStream random(7, "page tables");
  for (int round = 0; round < 50; ++round) {
    // 64 tables of random entries, half of which lead to one of the tables.
    for (std::uint64_t table = 0; table < 64; ++table) {
      base::Bytes bytes = random.bytes(4096);
      for (std::size_t i = 0; i < 512; i += 2) {
        const std::uint64_t value = (random.below(64) << 12) | (random.next() & 0x8000000000000fff);
        std::memcpy(bytes.data() + 8 * i, &value, sizeof value);
      }
      ram_.write(table << 12, bytes);
    }
    const AddressSpace space{random.below(64) << 12, GetParam()};
    std::size_t pages = 0;
    for_each_user_page(ram_.memory(), space, [&](const Translation& page) {
      ++pages;
      ASSERT_EQ(page.physical_address % page.page_size, 0U);
      ASSERT_LE(page.entries.size(), static_cast<std::size_t>(GetParam()));
      // The quick visit and the walk agree, where the walk is asked for an address.
      if (pages % 997 == 0) {
        const auto again = walk(ram_.memory(), space, page.virtual_address);
        ASSERT_TRUE(again);
        EXPECT_EQ(again->physical_address, page.physical_address);
        EXPECT_EQ(again->writable, page.writable);
      }
    });
    // At most 64 tables at each of the levels.
    EXPECT_LE(pages, 512U * 64U * static_cast<unsigned>(GetParam()));
    for (int i = 0; i < 1000; ++i) (void)walk(ram_.memory(), space, random.next());
  }
}

}  // namespace
}  // namespace zcl::vm
