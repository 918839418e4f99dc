// SPDX-License-Identifier: MIT
// Checks of the buffer: steps alloc, export and find.
#include <algorithm>
#include <cerrno>

#include "harness/base/error.hh"
#include "labs/01_proc_addr/host/checks.hh"
#include "labs/01_proc_addr/host/support.hh"

namespace zcl::lab01 {

namespace {

constexpr std::uint64_t kPage = 4096;
constexpr std::uint64_t kMebibyte = 1 << 20;
/// Bytes at each end of a block that its mark takes.
constexpr std::uint64_t kMarkBytes = 32;

std::string buffer_parameters(unsigned order, std::size_t blocks, const Stamp& stamp) {
  return "ring=none order=" + std::to_string(order) + " blocks=" + std::to_string(blocks) +
         " stamp=" + to_hex(stamp);
}

/// The errno that loading is refused with, or 0.
int load_refusal(lab::Context& context, vm::Machine& machine, const std::string& parameters) {
  try {
    context.load(machine, "nf_addr", parameters);
    return 0;
  } catch (const vm::GuestError& error) {
    return error.error_number();
  }
}

bool all_zero(base::ByteView bytes) {
  return std::ranges::all_of(bytes, [](std::uint8_t byte) { return byte == 0; });
}

/// Pages of RAM that begin with `word`, twice.
std::uint64_t pages_beginning_with(const vm::GuestMemory& memory, std::uint64_t word) {
  std::uint64_t pages = 0;
  memory.for_each_populated([&](vm::PhysicalAddress address, base::ByteView bytes) {
    for (std::size_t at = (kPage - address % kPage) % kPage; at + 16 <= bytes.size(); at += kPage) {
      if (std::memcmp(bytes.data() + at, &word, 8) == 0 &&
          std::memcmp(bytes.data() + at + 8, &word, 8) == 0) {
        ++pages;
      }
    }
  });
  return pages;
}

/// Loads, compares /proc/nf_addr with the census, and returns the blocks.
std::vector<BlockPlace> compare_export(lab::CheckContext& context, vm::Machine& machine,
                                       unsigned order, std::size_t count) {
  const Stamp stamp = fresh_stamp(context.random());
  context.load(machine, "nf_addr", buffer_parameters(order, count, stamp));
  const auto exported = exported_blocks(machine);
  const Paused still(machine);
  const auto blocks = find_blocks(machine.memory(), stamp, count, kPage << order);
  context.require(exported.size() == count, "/proc/nf_addr has " + std::to_string(exported.size()) +
                                                " lines of two numbers for " +
                                                std::to_string(count) + " blocks.");
  for (std::size_t i = 0; i < count; ++i) {
    context.require(exported[i].address == blocks[i].address,
                    "Block " + std::to_string(i) + ": /proc/nf_addr says " +
                        std::to_string(exported[i].address) + ", the census finds it at " +
                        std::to_string(blocks[i].address) + ".");
    context.require(exported[i].bytes == blocks[i].bytes,
                    "Block " + std::to_string(i) + ": /proc/nf_addr says " +
                        std::to_string(exported[i].bytes) + " bytes, it has " +
                        std::to_string(blocks[i].bytes) + ".");
  }
  return blocks;
}

}  // namespace

void check_alloc(lab::CheckContext& context) {
  auto machine = context.start("default");
  const auto order = static_cast<unsigned>(4 + context.random().below(6));
  const std::size_t count = 3 + context.random().below(6);
  const Stamp stamp = fresh_stamp(context.random());
  context.load(machine, "nf_addr", buffer_parameters(order, count, stamp));
  {
    const Paused still(machine);
    find_blocks(machine.memory(), stamp, count, kPage << order);
  }
  context.require_quiet_kernel(machine);
  context.observed(std::to_string(count) + " blocks of order " + std::to_string(order) +
                   ", each in one piece and aligned.");
}

void check_alloc_zeroed(lab::CheckContext& context) {
  constexpr unsigned kDirtyMib = 96;
  constexpr std::size_t kBlocks = 60;
  auto machine = context.start("default");
  const std::uint64_t word = context.random().next() | 1;
  const auto dirty =
      machine.agent().run({.argv = {context.install(machine, "nf_dirty"), std::to_string(kDirtyMib),
                                    std::to_string(word)}});
  if (!dirty.ok()) throw EnvironmentError("nf_dirty failed in the guest: " + dirty.error);
  {
    const Paused still(machine);
    const std::uint64_t pages = pages_beginning_with(machine.memory(), word);
    if (pages < kDirtyMib * kMebibyte / kPage / 2) {
      throw EnvironmentError("The guest's free memory could not be made dirty.");
    }
  }
  const Stamp stamp = fresh_stamp(context.random());
  context.load(machine, "nf_addr", buffer_parameters(9, kBlocks, stamp));
  const Paused still(machine);
  for (const auto& block : find_blocks(machine.memory(), stamp, kBlocks, kPage << 9)) {
    const auto inside =
        machine.memory().view(block.address + kMarkBytes, block.bytes - 2 * kMarkBytes);
    context.require(all_zero(inside), "The block at physical address " +
                                          std::to_string(block.address) +
                                          " holds bytes of a process that ended before.");
  }
  context.observed(std::to_string(kBlocks) + " blocks of 2 MiB, all zero between their marks.");
}

void check_alloc_errors(lab::CheckContext& context) {
  constexpr std::size_t kMoreThanThereIs = 100000;
  constexpr std::size_t kMostOfIt = 150;
  auto machine = context.start("default");
  const Stamp refused = fresh_stamp(context.random());
  for (int i = 0; i < 2; ++i) {
    const int error =
        load_refusal(context, machine, buffer_parameters(9, kMoreThanThereIs, refused));
    context.require(error == ENOMEM,
                    error == 0 ? "200 GB were allocated in a guest of 512 MiB."
                               : "Asked for more blocks than there is memory for, loading "
                                 "failed with errno " +
                                     std::to_string(error) + ", not with ENOMEM.");
  }
  const int error = load_refusal(context, machine, buffer_parameters(11, 1, refused));
  context.require(error == ENOMEM,
                  "A block of order 11, more than the page allocator serves, was "
                  "answered with errno " +
                      std::to_string(error) + ", not with ENOMEM.");
  // What failed must have left the memory usable.
  const Stamp stamp = fresh_stamp(context.random());
  const int afterwards = load_refusal(context, machine, buffer_parameters(9, kMostOfIt, stamp));
  context.require(afterwards == 0,
                  "After two refused loads, 300 MiB of 512 can no longer be had: "
                  "the blocks that were held at the failure are lost.");
  {
    const Paused still(machine);
    find_blocks(machine.memory(), stamp, kMostOfIt, kPage << 9);
  }
  context.require_quiet_kernel(machine);
  context.observed(
      "Two exhausted loads refused with ENOMEM; 300 of 512 MiB were there afterwards.");
}

namespace {

void require_no_mark(vm::Machine& machine, const Stamp& stamp, int round, std::size_t blocks) {
  const Paused still(machine);
  const auto left = find_bytes(machine.memory(), stamp);
  lab::CheckContext::require(
      left.empty(), "After unload " + std::to_string(round) + ", " + std::to_string(left.size()) +
                        " of " + std::to_string(2 * blocks) +
                        " marks still stand in memory, the first at physical address " +
                        (left.empty() ? "" : std::to_string(left.front())) + ".");
}

}  // namespace

void check_free(lab::CheckContext& context) {
  // 520 MiB in all: more than there is, if none of it came back.
  constexpr int kRounds = 4;
  constexpr std::size_t kBlocks = 65;
  auto machine = context.start("zeroing");
  for (int round = 1; round <= kRounds; ++round) {
    const Stamp stamp = fresh_stamp(context.random());
    context.load(machine, "nf_addr", buffer_parameters(9, kBlocks, stamp));
    if (round == 1) {
      const Paused still(machine);
      find_blocks(machine.memory(), stamp, kBlocks, kPage << 9);
    }
    machine.agent().unload_module("nf_addr");
    // A block that is forgotten is forgotten every time: the first and the last round tell.
    if (round == 1 || round == kRounds) require_no_mark(machine, stamp, round, kBlocks);
  }
  context.require_quiet_kernel(machine);
  context.observed("520 MiB allocated and freed in a guest of 512 MiB; no mark left.");
}

void check_export(lab::CheckContext& context) {
  auto machine = context.start("default");
  const auto order = static_cast<unsigned>(5 + context.random().below(5));
  const std::size_t count = 2 + context.random().below(6);
  compare_export(context, machine, order, count);
  context.observed(std::to_string(count) + " of " + std::to_string(count) +
                   " addresses equal to the census.");
}

void check_export_wide(lab::CheckContext& context) {
  constexpr std::uint64_t kFourGib = 1ULL << 32;
  auto machine = context.start("wide");
  const auto blocks = compare_export(context, machine, 9, 3);
  if (std::ranges::none_of(blocks, [](const auto& block) { return block.address >= kFourGib; })) {
    throw EnvironmentError("The guest of 6 GiB gave out no block above 4 GiB.");
  }
  context.observed("First block at " + std::to_string(blocks.front().address) + ".");
}

namespace {

/// Offsets worth a look: random ones, and those around each block's borders.
std::vector<std::uint64_t> interesting_offsets(base::RandomStream& random, std::size_t blocks,
                                               std::uint64_t block_bytes) {
  constexpr std::uint64_t kMark = sizeof(Stamp);
  std::vector<std::uint64_t> offsets;
  for (std::size_t i = 0; i < blocks; ++i) {
    const std::uint64_t begin = i * block_bytes;
    offsets.push_back(begin + kMarkBytes);
    offsets.push_back(begin + block_bytes - kMarkBytes - kMark);
    // Between the two, on a raster, so that no two marks overlap.
    const std::uint64_t raster = (block_bytes - 4 * kMarkBytes) / kMark;
    offsets.push_back(begin + 2 * kMarkBytes + random.below(raster) * kMark);
  }
  return offsets;
}

}  // namespace

void check_find(lab::CheckContext& context) {
  constexpr unsigned kOrder = 3;
  constexpr std::uint64_t kBlockBytes = kPage << kOrder;
  auto machine = context.start("default");
  const std::size_t count = 5 + context.random().below(9);
  const Stamp stamp = fresh_stamp(context.random());
  context.load(machine, "nf_addr", buffer_parameters(kOrder, count, stamp) + " index=hash");

  std::map<std::uint64_t, Stamp> marks;
  for (const auto offset : interesting_offsets(context.random(), count, kBlockBytes)) {
    const Stamp mark = fresh_stamp(context.random());
    const int error = refusal(machine, "mark " + std::to_string(offset) + " " + to_hex(mark));
    context.require(error == 0, "No block was found for offset " + std::to_string(offset) + " of " +
                                    std::to_string(count * kBlockBytes) + ".");
    marks[offset] = mark;
  }
  std::vector<Stamp> beyond;
  const std::uint64_t end = count * kBlockBytes;
  const std::vector<std::uint64_t> outside{end, end + kBlockBytes, 1ULL << 40,
                                           (1ULL << 44) + kMarkBytes, 1ULL << 63};
  for (const std::uint64_t offset : outside) {
    beyond.push_back(fresh_stamp(context.random()));
    const int error =
        refusal(machine, "mark " + std::to_string(offset) + " " + to_hex(beyond.back()));
    context.require(error != 0, "A block was found for offset " + std::to_string(offset) +
                                    ", beyond the end of the buffer at " + std::to_string(end) +
                                    ".");
  }

  const Paused still(machine);
  const auto blocks = find_blocks(machine.memory(), stamp, count, kBlockBytes);
  for (const auto& [offset, mark] : marks) {
    const auto wanted = blocks[offset / kBlockBytes].address + offset % kBlockBytes;
    const auto places = find_bytes(machine.memory(), mark);
    context.require(
        places.size() == 1 && places.front() == wanted,
        "What was written to offset " + std::to_string(offset) + " should stand at " +
            std::to_string(wanted) + ", but stands " +
            (places.empty() ? "nowhere." : "at " + std::to_string(places.front()) + "."));
  }
  for (const auto& mark : beyond) {
    context.require(find_bytes(machine.memory(), mark).empty(),
                    "What was written beyond the end of the buffer stands in memory.");
  }
  context.observed(std::to_string(marks.size()) + " offsets of " + std::to_string(count) +
                   " blocks led to the right byte.");
}

namespace {

/// Kernel instructions of one lookup among `blocks` blocks; the window's ends are the host's. What
/// else the guest does in a window only adds to it, so the least of a few is the nearest.
double lookup_cost(lab::CheckContext& context, vm::Machine& machine, std::size_t blocks) {
  constexpr unsigned kLookups = 50000;
  constexpr int kWindows = 5;
  context.load(machine, "nf_addr", "ring=none order=0 index=hash blocks=" + std::to_string(blocks));
  const std::string lookup =
      "lookup " + std::to_string(kLookups) + " " + std::to_string(context.random().next());
  std::uint64_t least = ~0ULL;
  for (int i = 0; i < kWindows; ++i) {
    const auto before = machine.instructions();
    command(machine, lookup);
    least = std::min(least, (machine.instructions() - before).kernel);
  }
  machine.agent().unload_module("nf_addr");
  return static_cast<double>(least) / kLookups;
}

}  // namespace

void check_find_cost(lab::CheckContext& context) {
  auto machine = context.start("default");
  const double few = lookup_cost(context, machine, 4);
  const double many = lookup_cost(context, machine, 256);
  const std::string figures = "Instructions for a lookup: " + std::to_string(few) +
                              " among 4 blocks, " + std::to_string(many) + " among 256.";
  context.require(many <= 2 * few, figures + " It grows with the number of blocks.");
  context.observed(figures);
}

}  // namespace zcl::lab01
