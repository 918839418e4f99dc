// SPDX-License-Identifier: MIT
#include "harness/vm/page_table.hh"

#include <set>
#include <utility>

namespace zcl::vm {
namespace {

// Bits of an entry: SDM volume 3, tables 4-14 to 4-20.
constexpr std::uint64_t kPresent = 1ULL << 0;
constexpr std::uint64_t kWritable = 1ULL << 1;
constexpr std::uint64_t kUser = 1ULL << 2;
constexpr std::uint64_t kWriteThrough = 1ULL << 3;
constexpr std::uint64_t kCacheDisable = 1ULL << 4;
constexpr std::uint64_t kPageSize = 1ULL << 7;  // of a PDPT or PD entry; PAT in a PT entry
constexpr std::uint64_t kLargePat = 1ULL << 12;
constexpr std::uint64_t kNoExecute = 1ULL << 63;
constexpr std::uint64_t kFrame = 0x000ffffffffff000ULL;  // bits 51:12

constexpr unsigned kEntries = 512;

/// Pages that one walk over an address space visits at most: several times what the largest guest
/// has. A table full of entries that point anywhere costs no more than this.
constexpr std::uint64_t kMostPages = 1ULL << 24;

unsigned shift_of(int level) {
  return 12U + 9U * static_cast<unsigned>(level - 1);
}

std::uint64_t span_of(int level) {
  return 1ULL << shift_of(level);
}

bool canonical(VirtualAddress address, int levels) {
  const unsigned bits = levels == 5 ? 57 : 48;
  const auto extended = static_cast<std::int64_t>(address << (64U - bits)) >> (64U - bits);
  return static_cast<std::uint64_t>(extended) == address;
}

enum class Kind { absent, table, page };

/// What an entry is. An entry with reserved bits set faults when it is used: absent.
Kind classify(std::uint64_t entry, int level) {
  if ((entry & kPresent) == 0) return Kind::absent;
  if (level == 1) return Kind::page;
  if ((entry & kPageSize) == 0) return Kind::table;
  if (level > 3) return Kind::absent;  // bit 7 is reserved in PML5 and PML4 entries
  // A large page is aligned to its size; the address bits below are reserved, bit 12 is PAT.
  const std::uint64_t reserved = (span_of(level) - 1) & kFrame & ~kLargePat;
  return (entry & reserved) == 0 ? Kind::page : Kind::absent;
}

std::uint64_t load_entry(const GuestMemory& memory, PhysicalAddress address) {
  return memory.load<std::uint64_t>(address);
}

bool usable(const GuestMemory& memory, const AddressSpace& space) {
  return (space.levels == 4 || space.levels == 5) && memory.contains(space.root & kFrame, 4096);
}

/// What the entries so far say of access rights.
void restrict_by(Translation& translation, std::uint64_t entry) {
  translation.writable = translation.writable && (entry & kWritable) != 0;
  translation.user = translation.user && (entry & kUser) != 0;
  translation.no_execute = translation.no_execute || (entry & kNoExecute) != 0;
}

void finish(Translation& translation, const PageTableEntry& leaf) {
  const std::uint64_t size = span_of(leaf.level);
  const std::uint64_t base = leaf.value & kFrame & ~(size - 1);
  translation.page_size = size;
  translation.physical_address = base | (translation.virtual_address & (size - 1));
  translation.write_through = (leaf.value & kWriteThrough) != 0;
  translation.cache_disable = (leaf.value & kCacheDisable) != 0;
  translation.pat = (leaf.value & (leaf.level == 1 ? kPageSize : kLargePat)) != 0;
}

Translation nothing_restricted(VirtualAddress address) {
  Translation translation;
  translation.virtual_address = address;
  translation.writable = true;
  translation.user = true;
  return translation;
}

/// Depth-first over the tables of one address space.
class Pages {
 public:
  Pages(const GuestMemory& memory, VirtualAddress first, VirtualAddress last,
        const PageVisitor& visit)
      : memory_(memory), first_(first), last_(last), visit_(visit) {}

  /// `above`: what the tables above say; its virtual address is where this table's range begins.
  void table(PhysicalAddress address, int level, const Translation& above) {
    if (!memory_.contains(address, 4096)) return;
    if (!visited_.emplace(level, address).second) return;
    const std::uint64_t span = span_of(level);
    for (unsigned i = 0; i < kEntries && pages_ < kMostPages; ++i) {
      const VirtualAddress start = above.virtual_address + i * span;
      // The last address of the entry: the first one past it may be zero.
      if (start > last_ || start + (span - 1) < first_) continue;
      entry(address + i * sizeof(std::uint64_t), level, start, above);
    }
  }

 private:
  void entry(PhysicalAddress address, int level, VirtualAddress start, const Translation& above) {
    const std::uint64_t value = load_entry(memory_, address);
    const Kind kind = classify(value, level);
    if (kind == Kind::absent) return;
    Translation translation = above;
    translation.virtual_address = start;
    translation.entries.push_back({level, address, value});
    restrict_by(translation, value);
    if (kind == Kind::table) {
      table(value & kFrame, level - 1, translation);
      return;
    }
    ++pages_;
    finish(translation, translation.entries.back());
    visit_(translation);
  }

  const GuestMemory& memory_;
  VirtualAddress first_;
  VirtualAddress last_;
  const PageVisitor& visit_;
  std::set<std::pair<int, PhysicalAddress>> visited_;
  std::uint64_t pages_ = 0;
};

/// The address of the root's entry 0, such that adding spans gives the addresses of the half that
/// `first` lies in. (Entries of the other half get addresses outside it.)
VirtualAddress start_of_root(int levels, VirtualAddress first) {
  const bool upper = (first >> 63) != 0;
  if (!upper) return 0;
  const unsigned bits = levels == 5 ? 57 : 48;
  return ~VirtualAddress{0} << bits;
}

}  // namespace

std::optional<Translation> walk(const GuestMemory& memory, const AddressSpace& space,
                                VirtualAddress address) {
  if (!usable(memory, space) || !canonical(address, space.levels)) return std::nullopt;
  Translation translation = nothing_restricted(address);
  PhysicalAddress table = space.root & kFrame;
  for (int level = space.levels; level > 0; --level) {
    if (!memory.contains(table, 4096)) return std::nullopt;
    const std::uint64_t index = (address >> shift_of(level)) % kEntries;
    const PhysicalAddress at = table + index * sizeof(std::uint64_t);
    const std::uint64_t value = load_entry(memory, at);
    const Kind kind = classify(value, level);
    if (kind == Kind::absent) return std::nullopt;
    translation.entries.push_back({level, at, value});
    restrict_by(translation, value);
    if (kind == Kind::page) {
      finish(translation, translation.entries.back());
      return translation;
    }
    table = value & kFrame;
  }
  return std::nullopt;  // level 1 entries are pages or absent
}

void for_each_page(const GuestMemory& memory, const AddressSpace& space, VirtualAddress first,
                   VirtualAddress last, const PageVisitor& visit) {
  if (!usable(memory, space) || first > last) return;
  if (!canonical(first, space.levels) || !canonical(last, space.levels)) return;
  Pages(memory, first, last, visit)
      .table(space.root & kFrame, space.levels,
             nothing_restricted(start_of_root(space.levels, first)));
}

void for_each_user_page(const GuestMemory& memory, const AddressSpace& space,
                        const PageVisitor& visit) {
  const VirtualAddress last = (1ULL << (space.levels == 5 ? 56 : 47)) - 1;
  for_each_page(memory, space, 0, last, visit);
}

}  // namespace zcl::vm
