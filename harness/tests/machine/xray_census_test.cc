// SPDX-License-Identifier: MIT
// The census against a guest that knows where it put the bytes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <sstream>

#include "harness/base/paths.hh"
#include "harness/vm/machine.hh"
#include "harness/xray/census.hh"
#include "harness/xray/chain.hh"
#include "harness/xray/text.hh"

namespace zcl::xray {
namespace {

constexpr std::uint64_t kGiB = 1ULL << 30;
constexpr const char* kKeeper = "/nonce_keeper";

/// What the guest says of one copy.
struct Copy {
  vm::VirtualAddress address = 0;
  vm::PhysicalAddress first = 0;  ///< of its first byte
  vm::PhysicalAddress last = 0;   ///< of its last byte
};

std::string digits_of(const Payload& payload) {
  constexpr const char* kDigits = "0123456789abcdef";
  std::string text;
  for (const auto byte : payload.bytes()) {
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}

/// The keeper, running in the guest, and what it reported.
struct Keeper {
  vm::GuestProcess process;
  std::vector<Copy> copies;
};

Keeper keep(vm::Machine& machine, const Payload& payload, const std::string& kind,
            const std::string& number) {
  auto& agent = machine.agent();
  agent.put_file(kKeeper, base::read_file((base::build_root() / "guest/nonce_keeper").string()),
                 0755);
  vm::ProgramRequest request;
  request.argv = {kKeeper, kind, number};
  request.time_limit = std::chrono::seconds(300);
  vm::GuestProcess process = agent.start(request);
  process.write_input(digits_of(payload) + "\n");
  std::vector<Copy> copies;
  const base::Deadline deadline("the keeper to place its copies", std::chrono::seconds(120));
  for (std::string line = process.read_line(deadline); line != "done";
       line = process.read_line(deadline)) {
    std::istringstream words(line);
    std::string word;
    Copy copy;
    words >> word >> std::hex >> copy.address >> copy.first >> copy.last;
    copies.push_back(copy);
  }
  return {std::move(process), copies};
}

/// Where the pieces of all copies must stand, rising.
std::vector<std::pair<vm::PhysicalAddress, std::size_t>> pieces_of(const std::vector<Copy>& copies,
                                                                   std::size_t length) {
  std::vector<std::pair<vm::PhysicalAddress, std::size_t>> pieces;
  for (const Copy& copy : copies) {
    if (copy.last == copy.first + length - 1) {
      pieces.emplace_back(copy.first, length);
    } else {
      const std::size_t first = 4096 - copy.first % 4096;
      pieces.emplace_back(copy.first, first);
      pieces.emplace_back(copy.last / 4096 * 4096, length - first);
    }
  }
  std::sort(pieces.begin(), pieces.end());
  return pieces;
}

/// The census finds exactly these copies, and the walk finds the keeper's mapping of each.
void expect_exactly(vm::Machine& machine, const Payload& payload, const Keeper& keeper,
                    std::uint64_t page_size = 4096) {
  machine.pause();
  Census census = take_census(machine.memory(), payload);
  name_places(machine, census);
  std::vector<std::pair<vm::PhysicalAddress, std::size_t>> found;
  for (const Place& place : census.places) found.emplace_back(place.first_byte(), place.length());
  EXPECT_EQ(found, pieces_of(keeper.copies, payload.bytes().size())) << to_text(census, {});
  EXPECT_EQ(census.copies(), keeper.copies.size());
  for (const Copy& copy : keeper.copies) {
    const auto mappings = find_mappings(machine, copy.first);
    ASSERT_EQ(mappings.size(), 1U) << hexadecimal(copy.first);
    EXPECT_EQ(mappings[0].task.pid, keeper.process.pid());
    EXPECT_EQ(mappings[0].task.command, "nonce_keeper");
    EXPECT_EQ(mappings[0].translation.virtual_address, copy.address);
    EXPECT_EQ(mappings[0].translation.physical_address, copy.first);
    EXPECT_EQ(mappings[0].translation.page_size, page_size);
    EXPECT_TRUE(mappings[0].translation.user);
    EXPECT_TRUE(mappings[0].translation.writable);
  }
  machine.resume();
}

Payload fresh_payload(std::size_t length, std::uint64_t seed) {
  base::RandomStream random(seed, "machine census");
  return {random, length};
}

vm::MachineSpec quick_spec() {
  vm::MachineSpec spec;
  spec.mode = vm::Mode::speed;
  return spec;
}

TEST(MachineCensus, FindsExactlyWhatAProgramPlaced) {
  vm::Machine machine = vm::Machine::start(quick_spec());
  const Payload payload = fresh_payload(1000, 1);
  const Keeper keeper = keep(machine, payload, "small", "20");
  ASSERT_EQ(keeper.copies.size(), 20U);
  expect_exactly(machine, payload, keeper);
  // Named through the kernel's own page descriptors.
  machine.pause();
  Census census = take_census(machine.memory(), payload);
  name_places(machine, census);
  for (const Place& place : census.places) {
    EXPECT_EQ(place.kind, PlaceKind::user) << place.name;
    EXPECT_THAT(place.name, ::testing::HasSubstr("anonymous page of nonce_keeper"));
  }
  // A nonce that nobody placed stands nowhere.
  EXPECT_TRUE(take_census(machine.memory(), fresh_payload(1000, 2)).places.empty());
}

TEST(MachineCensus, WalksHugePages) {
  vm::MachineSpec spec = quick_spec();
  spec.kernel_args.emplace_back("hugepages=2");
  vm::Machine machine = vm::Machine::start(spec);
  const Payload payload = fresh_payload(9000, 3);
  const Keeper keeper = keep(machine, payload, "huge", "2");
  ASSERT_EQ(keeper.copies.size(), 1U);
  expect_exactly(machine, payload, keeper, 2U << 20);
}

TEST(MachineCensus, WalksFiveLevels) {
  vm::MachineSpec spec = quick_spec();
  spec.five_level_paging = true;
  spec.accel = vm::Accel::tcg;
  vm::Machine machine = vm::Machine::start(spec);
  const Payload payload = fresh_payload(1000, 4);
  const Keeper keeper = keep(machine, payload, "small", "3");
  machine.pause();
  ASSERT_EQ(machine.registers().address_space().levels, 5);
  EXPECT_EQ(find_mappings(machine, keeper.copies.at(0).first).at(0).translation.entries.size(), 5U);
  machine.resume();
  expect_exactly(machine, payload, keeper);
}

/// 6 GiB, with reserved regions just below the hole, just above it, and at the end of RAM: the
/// physical addresses are chosen by the host, so a wrong split point cannot cancel out.
class Hole : public ::testing::TestWithParam<vm::Chipset> {};

TEST_P(Hole, IsWhereQemuHasIt) {
  vm::MachineSpec spec = quick_spec();
  spec.chipset = GetParam();
  spec.memory_mib = 6144;
  const std::uint64_t low = vm::ram_below_4g(spec.chipset, 6 * kGiB);
  constexpr std::uint64_t kMiB = 1U << 20;
  const std::vector<std::uint64_t> regions{low - 256 * kMiB, 4 * kGiB + 16 * kMiB,
                                           10 * kGiB - low - 16 * kMiB};
  for (const auto start : regions) spec.reserved.push_back({start, kMiB});
  vm::Machine machine = vm::Machine::start(spec);
  EXPECT_EQ(machine.memory().end(), 10 * kGiB - low);
  std::uint64_t seed = 5;
  for (const auto start : regions) {
    const Payload payload = fresh_payload(3000, ++seed);
    Keeper keeper = keep(machine, payload, "devmem", hexadecimal(start + 4000));
    ASSERT_EQ(keeper.copies.size(), 1U);
    expect_exactly(machine, payload, keeper);
    machine.pause();
    Census census = take_census(machine.memory(), payload);
    name_places(machine, census);
    EXPECT_THAT(census.places.at(0).name,
                ::testing::HasSubstr("reserved region at " + hexadecimal(start)));
    machine.resume();
  }
  // And where the kernel itself allocates, with its own word for the address.
  const Payload payload = fresh_payload(1000, 99);
  const Keeper keeper = keep(machine, payload, "small", "5");
  EXPECT_GE(keeper.copies.at(0).first, 4 * kGiB) << "the kernel prefers high memory";
  expect_exactly(machine, payload, keeper);
}

INSTANTIATE_TEST_SUITE_P(Chipsets, Hole, ::testing::Values(vm::Chipset::q35, vm::Chipset::pc),
                         [](const auto& chipset) {
                           return chipset.param == vm::Chipset::q35 ? "q35" : "pc";
                         });

TEST(MachineCensus, WalksGigabytePages) {
  vm::MachineSpec spec = quick_spec();
  spec.memory_mib = 6144;
  spec.accel = vm::Accel::tcg;
  spec.kernel_args = {"hugepagesz=1G", "hugepages=1"};
  vm::Machine machine = vm::Machine::start(spec);
  const Payload payload = fresh_payload(5000, 8);
  const Keeper keeper = keep(machine, payload, "huge", "1024");
  ASSERT_EQ(keeper.copies.size(), 1U);
  expect_exactly(machine, payload, keeper, kGiB);
}

}  // namespace
}  // namespace zcl::xray
