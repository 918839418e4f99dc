// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include <limits>
#include <utility>
#include <vector>

#include "harness/tests/unit/synthetic_memory.hh"
#include "harness/vm/guest_memory.hh"

namespace zcl::vm {
namespace {

constexpr std::uint64_t kMiB = 1ULL << 20;
constexpr std::uint64_t kGiB = 1ULL << 30;

TEST(GuestMemory, SplitsRamWhereQemuDoes) {
  EXPECT_EQ(ram_below_4g(Chipset::q35, 512 * kMiB), 512 * kMiB);
  EXPECT_EQ(ram_below_4g(Chipset::q35, 2815 * kMiB), 2815 * kMiB);
  EXPECT_EQ(ram_below_4g(Chipset::q35, 2816 * kMiB), 2 * kGiB);
  EXPECT_EQ(ram_below_4g(Chipset::q35, 6 * kGiB), 2 * kGiB);
  EXPECT_EQ(ram_below_4g(Chipset::pc, 3583 * kMiB), 3583 * kMiB);
  EXPECT_EQ(ram_below_4g(Chipset::pc, 3584 * kMiB), 3 * kGiB);
  EXPECT_EQ(ram_below_4g(Chipset::pc, 6 * kGiB), 3 * kGiB);
}

TEST(GuestMemory, ReadsAboveTheHoleAndRefusesTheHole) {
  test::SyntheticMemory ram({.chipset = Chipset::pc, .memory_mib = 6144});
  const GuestMemory& memory = ram.memory();
  ram.store<std::uint64_t>(3 * kGiB - 8, 0x1122334455667788);
  ram.store<std::uint64_t>(4 * kGiB, 0x99);
  ram.store<std::uint64_t>(7 * kGiB - 8, 0x77);
  EXPECT_EQ(memory.load<std::uint64_t>(3 * kGiB - 8), 0x1122334455667788U);
  EXPECT_EQ(memory.load<std::uint64_t>(4 * kGiB), 0x99U);
  EXPECT_EQ(memory.load<std::uint64_t>(7 * kGiB - 8), 0x77U);
  EXPECT_EQ(memory.end(), 7 * kGiB);
  EXPECT_EQ(memory.size(), 6 * kGiB);

  EXPECT_TRUE(memory.contains(3 * kGiB - 1));
  EXPECT_FALSE(memory.contains(3 * kGiB - 1, 2)) << "crosses into the hole";
  for (const PhysicalAddress address :
       {3 * kGiB, 4 * kGiB - 1, 7 * kGiB, std::numeric_limits<PhysicalAddress>::max()}) {
    EXPECT_FALSE(memory.contains(address)) << address;
    EXPECT_THROW((void)memory.view(address, 1), NotRam);
  }
  EXPECT_FALSE(memory.contains(0, std::numeric_limits<std::uint64_t>::max()));
  EXPECT_FALSE(memory.contains(4 * kGiB + 8, std::numeric_limits<std::uint64_t>::max() - 3))
      << "the end wraps around";
  EXPECT_THROW((void)memory.load<std::uint64_t>(7 * kGiB - 7), NotRam);
}

TEST(GuestMemory, VisitsOnlyWhatWasWrittenAndCutsAtTheHole) {
  test::SyntheticMemory ram({.chipset = Chipset::q35, .memory_mib = 4096});
  ram.store<std::uint8_t>(0x5000, 1);
  // One run of the file that is two runs of physical memory.
  ram.store<std::uint8_t>(2 * kGiB - 1, 2);
  ram.store<std::uint8_t>(4 * kGiB, 3);
  std::vector<std::pair<PhysicalAddress, std::size_t>> runs;
  ram.memory().for_each_populated([&](PhysicalAddress address, base::ByteView bytes) {
    runs.emplace_back(address, bytes.size());
  });
  const std::vector<std::pair<PhysicalAddress, std::size_t>> expected{
      {0x5000, 4096}, {2 * kGiB - 4096, 4096}, {4 * kGiB, 4096}};
  EXPECT_EQ(runs, expected);
}

TEST(GuestMemory, RefusesAFileOfAnotherSize) {
  const base::FileDescriptor file(::memfd_create("ram", MFD_CLOEXEC));
  ASSERT_EQ(::ftruncate(file.get(), 4096), 0);
  EXPECT_THROW(GuestMemory("/proc/self/fd/" + std::to_string(file.get()), {}), std::system_error);
  EXPECT_THROW(GuestMemory("/nonexistent/ram", {}), std::system_error);
}

}  // namespace
}  // namespace zcl::vm
