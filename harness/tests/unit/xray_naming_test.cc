// SPDX-License-Identifier: MIT
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "harness/tests/unit/synthetic_kernel.hh"
#include "harness/xray/naming.hh"
#include "harness/xray/page_frame.hh"

namespace zcl::xray {
namespace {

using test::SyntheticKernel;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr std::uint64_t kPresentUser = 0x7;

/// A process whose page at 0x400000 is the physical page `page`. Its tables stand at `at`.
vm::PhysicalAddress make_process(SyntheticKernel& kernel, vm::PhysicalAddress at,
                                 vm::PhysicalAddress page) {
  auto& ram = kernel.ram();
  ram.store<std::uint64_t>(at, (at + 0x1000) | kPresentUser);
  ram.store<std::uint64_t>(at + 0x1000, (at + 0x2000) | kPresentUser);
  ram.store<std::uint64_t>(at + 0x2000 + 8 * 2, (at + 0x3000) | kPresentUser);
  ram.store<std::uint64_t>(at + 0x3000, page | kPresentUser);
  return at;
}

TEST(Tasks, AreReadFromTheList) {
  SyntheticKernel kernel;
  kernel.set_tasks({{1, "init", 0x20000},
                    {2, "kthreadd", 0},
                    {71,
                     "re\x01"
                     "ader",
                     0x30000}});
  const auto tasks = read_tasks(kernel.view());
  ASSERT_EQ(tasks.size(), 3U);
  EXPECT_EQ(tasks[0].pid, 1);
  EXPECT_EQ(tasks[0].command, "init");
  EXPECT_EQ(tasks[0].space.root, 0x20000U);
  EXPECT_EQ(tasks[1].space.root, 0U) << "a kernel thread";
  EXPECT_EQ(tasks[2].command, "re?ader") << "nothing unprintable reaches the terminal";
}

TEST(Tasks, EndOnDamage) {
  SyntheticKernel kernel;
  kernel.set_tasks({{1, "init", 0}, {2, "two", 0}, {3, "three", 0}});
  const auto link_of = [](int i) {
    return SyntheticKernel::kInitTask + static_cast<unsigned>(i) * 0x200 + SyntheticKernel::kTasks;
  };
  // The third leads back to the second, past the head.
  kernel.ram().store<std::uint64_t>(link_of(3), SyntheticKernel::linear(link_of(2)));
  EXPECT_EQ(read_tasks(kernel.view()).size(), 3U);
  kernel.ram().store<std::uint64_t>(link_of(2), 0x1234);
  EXPECT_EQ(read_tasks(kernel.view()).size(), 2U);
  kernel.ram().store<std::uint64_t>(link_of(0), 0);
  EXPECT_TRUE(read_tasks(kernel.view()).empty());
}

TEST(Mappings, AreFoundInEveryProcess) {
  SyntheticKernel kernel;
  const auto one = make_process(kernel, 0x20000, 0x555000);
  const auto two = make_process(kernel, 0x40000, 0x777000);
  // The second process has a large page too, which holds the first one's page.
  kernel.ram().store<std::uint64_t>(two + 0x2000 + 8 * 5, 0x400000 | kPresentUser | 0x80);
  kernel.set_tasks({{1, "one", one}, {2, "two", two}, {3, "vforked", two}});
  const auto found = find_mappings(kernel.view().memory(), read_tasks(kernel.view()),
                                   {0x555123, 0x777000, 0x9000});
  ASSERT_EQ(found[0].size(), 2U);
  EXPECT_EQ(found[0][0].task.pid, 1);
  EXPECT_EQ(found[0][0].translation.virtual_address, 0x400123U);
  EXPECT_EQ(found[0][1].task.pid, 2);
  EXPECT_EQ(found[0][1].translation.page_size, 2U << 20);
  EXPECT_EQ(found[0][1].translation.virtual_address, 5U * (2U << 20) + 0x155123);
  EXPECT_EQ(found[1].size(), 1U) << "tables shared by two tasks are walked once";
  EXPECT_TRUE(found[2].empty());
}

class Naming : public ::testing::Test {
 protected:
  Naming() {
    process_ = make_process(kernel_, 0x20000, 0x555000);
    kernel_.set_tasks({{71, "reader", process_}});
    // An ordinary allocated page: one reference, no type.
    for (const vm::PhysicalAddress page : {0x555000U, 0x600000U, 0x601000U, 0x602000U, 0x603000U}) {
      set(page, 48, 0xffffffff);
      kernel_.ram().store<std::int32_t>(SyntheticKernel::page(page) + 52, 1);
    }
  }
  void set(vm::PhysicalAddress page, unsigned offset, std::uint64_t value) {
    kernel_.ram().store<std::uint64_t>(SyntheticKernel::page(page) + offset, value);
    if (offset == 48) kernel_.ram().store<std::int32_t>(SyntheticKernel::page(page) + 52, 1);
  }
  Place name(vm::PhysicalAddress address, const std::vector<NamedRing>& rings = {}) {
    Census census;
    Place place;
    place.address = address;
    place.end = 100;
    census.places.push_back(place);
    const vm::KernelView view = kernel_.view();
    name_places(view, spec_, rings, read_tasks(view), census);
    return census.places.front();
  }

  SyntheticKernel kernel_;
  vm::MachineSpec spec_;
  vm::PhysicalAddress process_ = 0;
};

TEST_F(Naming, NamesUserPages) {
  set(0x555000, 24, SyntheticKernel::linear(0x9000) | 1);
  const Place place = name(0x555010);
  EXPECT_EQ(place.name, "anonymous page of reader (pid 71) at 0x400010");
  EXPECT_EQ(place.kind, PlaceKind::user);
}

TEST_F(Naming, NamesKernelMemoryThatAProcessMaps) {
  const Place place = name(0x555010);
  EXPECT_EQ(place.name, "kernel page, mapped by reader (pid 71) at 0x400010");
  EXPECT_EQ(place.kind, PlaceKind::shared);
}

TEST_F(Naming, NamesPageCacheByInode) {
  set(0x600000, 24, SyntheticKernel::linear(0x9000));
  kernel_.ram().store<std::uint64_t>(0x9000, SyntheticKernel::linear(0x9100));
  kernel_.ram().store<std::uint64_t>(0x9100, 1234);
  const Place place = name(0x600000);
  EXPECT_EQ(place.name, "page cache of a file (inode 1234)");
  EXPECT_EQ(place.kind, PlaceKind::page_cache);
}

TEST_F(Naming, NamesFreePages) {
  // A free block of 4 pages: only its first page is marked.
  set(0x600000, 48, 0xffffff7f);
  kernel_.ram().store<std::uint64_t>(SyntheticKernel::page(0x600000) + 40, 2);
  kernel_.ram().store<std::uint32_t>(SyntheticKernel::page(0x600000) + 48, 0xffffff7f);
  EXPECT_EQ(name(0x600100).kind, PlaceKind::free);
  EXPECT_EQ(name(0x603100).name, "free page");
  EXPECT_EQ(name(0x604000).name, "free page (on a CPU's list)") << "no reference, not in a block";
}

TEST_F(Naming, NamesSlabObjectsAndTellsFreedOnes) {
  constexpr std::uint64_t kSecret = 0x1122334455667788;
  auto& ram = kernel_.ram();
  set(0x600000, 0, 1U << 9);
  set(0x600000, 24, SyntheticKernel::linear(0x9000));  // slab_cache
  ram.store<std::uint64_t>(0x9000, 512);               // object size
  ram.store<std::uint64_t>(0x9008, 256);               // where the free link stands
  ram.store<std::uint64_t>(0x9010, kSecret);
  ram.store<std::uint64_t>(0x9018, SyntheticKernel::linear(0x9100));
  ram.text(0x9100, std::string("kmalloc-512") + '\0');
  // Free: objects 2 and 5, in this order.
  const auto object = [](unsigned i) { return SyntheticKernel::linear(0x600000 + i * 512); };
  set(0x600000, 32, object(2));
  const auto link = [&](unsigned from, vm::VirtualAddress to) {
    ram.store<std::uint64_t>(0x600000 + from * 512 + 256,
                             to ^ kSecret ^ __builtin_bswap64(object(from) + 256));
  };
  link(2, object(5));
  link(5, 0);
  EXPECT_EQ(name(0x600000 + 512).name, "slab kmalloc-512, object in use");
  EXPECT_EQ(name(0x600000 + 512).kind, PlaceKind::slab);
  EXPECT_EQ(name(0x600000 + 2 * 512 + 10).name, "slab kmalloc-512, freed object");
  EXPECT_EQ(name(0x600000 + 5 * 512 + 511).kind, PlaceKind::free);
  link(5, object(2));  // a circle ends
  EXPECT_EQ(name(0x600000 + 6 * 512).kind, PlaceKind::slab);
}

TEST_F(Naming, NamesTheKernelImageAndReservedRegions) {
  set(0xf00000, 0, 1U << 11);
  EXPECT_EQ(name(0xf00404).name, "kernel image, in some_function");
  set(0xf01000, 0, 0);  // a part that the kernel gave to the allocator
  EXPECT_THAT(name(0xf01404).name, ::testing::Not(HasSubstr("kernel image")));
  spec_.reserved.push_back({0x700000, 0x1000});
  set(0x700000, 0, 1U << 11);
  EXPECT_EQ(name(0x700800).name, "reserved region at 0x700000 (memmap=)");
}

TEST_F(Naming, NamesNicBuffersAndTheirNeighbours) {
  NamedRing ring{"net0", "e1000", Direction::receive, {}};
  NicDescriptor descriptor;
  descriptor.index = 3;
  descriptor.buffer = 0x601000;
  descriptor.capacity = 2048;
  ring.descriptors.push_back(descriptor);
  EXPECT_THAT(name(0x601040, {ring}).name, StartsWith("receive buffer 3 of net0 (e1000)"));
  EXPECT_EQ(name(0x601040, {ring}).kind, PlaceKind::nic_buffer);
  EXPECT_THAT(name(0x601000 + 2048, {ring}).name, ::testing::Not(HasSubstr("receive buffer")));
  // A block of 8 pages from 0x600000: what is left of it is packet data.
  set(0x600000, 0, 1U << 16);
  kernel_.ram().store<std::uint8_t>(SyntheticKernel::page(0x600000) + 64 + 17, 3);
  kernel_.ram().store<std::uint64_t>(SyntheticKernel::page(0x602000) + 8,
                                     SyntheticKernel::linear(SyntheticKernel::page(0x600000)) | 1);
  EXPECT_EQ(name(0x602000, {ring}).kind, PlaceKind::packet);
  EXPECT_THAT(name(0x602000, {ring}).name,
              AllOf(HasSubstr("beside receive buffers of net0"), HasSubstr("block of 8")));
}

TEST_F(Naming, SurvivesRandomGarbage) {
  base::RandomStream random(21, "kernel");
  for (int round = 0; round < 60; ++round) {
    auto& ram = kernel_.ram();
    // Words that are pointers into RAM, small numbers, or anything.
    base::Bytes bytes(0x20000);
    for (std::size_t i = 0; i < bytes.size(); i += 8) {
      std::uint64_t value = random.next();
      if (value % 4 != 0) value = SyntheticKernel::linear(random.below(0x1200000)) | (value & 1);
      if (value % 16 == 1) value = random.below(4096);
      std::memcpy(bytes.data() + i, &value, 8);
    }
    ram.write(0x8000, bytes);
    ram.write(SyntheticKernel::page(0x600000), base::ByteView(bytes).first(0x4000));
    Census census;
    for (int i = 0; i < 40; ++i) {
      Place place;
      place.address = i % 8 == 0 ? random.next() : 0x600000 + random.below(0x100000);
      census.places.push_back(place);
    }
    const vm::KernelView view = kernel_.view();
    NamedRing ring{"net0", "e1000", Direction::receive, {}};
    for (unsigned i = 0; i < 16; ++i) {
      NicDescriptor descriptor;
      descriptor.buffer = random.next() >> random.below(64);
      descriptor.capacity = static_cast<std::uint16_t>(random.next());
      ring.descriptors.push_back(descriptor);
    }
    name_places(view, spec_, {ring}, read_tasks(view), census);
    for (const Place& place : census.places) EXPECT_FALSE(place.name.empty());
  }
}

}  // namespace
}  // namespace zcl::xray
