// SPDX-License-Identifier: MIT
// The host's own walk of x86-64 page tables, from guest memory alone.
// Source: Intel SDM volume 3, chapter 4 (4-level and 5-level paging).
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "harness/vm/guest_memory.hh"

namespace zcl::vm {

/// One entry met on a walk.
struct PageTableEntry {
  int level = 0;                ///< 5 = PML5, 4 = PML4, 3 = PDPT, 2 = PD, 1 = PT
  PhysicalAddress address = 0;  ///< where the entry itself stands
  std::uint64_t value = 0;
};

/// Where a virtual address leads.
struct Translation {
  VirtualAddress virtual_address = 0;
  PhysicalAddress physical_address = 0;
  std::uint64_t page_size = 0;  ///< 4096, 2 MiB or 1 GiB
  bool writable = false;        ///< at every level
  bool user = false;            ///< at every level
  bool no_execute = false;      ///< at any level
  bool write_through = false;   ///< PWT of the leaf
  bool cache_disable = false;   ///< PCD of the leaf
  bool pat = false;             ///< PAT bit of the leaf (bit 7 of a PT entry, 12 of a large page)
  std::vector<PageTableEntry> entries;  ///< from the root to the leaf
};

/// A root of translation: CR3 (flag bits are ignored) and the number of levels (4 or 5).
struct AddressSpace {
  PhysicalAddress root = 0;
  int levels = 4;
};

/// The translation of `address`, or nothing where an entry is not present, reserved bits are set,
/// or a table lies outside RAM (a guest can write anything there).
std::optional<Translation> walk(const GuestMemory& memory, const AddressSpace& space,
                                VirtualAddress address);

using PageVisitor = std::function<void(const Translation&)>;

/// Calls `visit` for every mapped page of the lower (user) half. Bounded: a table that contains
/// itself is visited once per level at most.
void for_each_user_page(const GuestMemory& memory, const AddressSpace& space,
                        const PageVisitor& visit);

/// The same for the pages that lie in [first, last], two addresses of one half. A large page that
/// reaches out of the range is visited whole.
void for_each_page(const GuestMemory& memory, const AddressSpace& space, VirtualAddress first,
                   VirtualAddress last, const PageVisitor& visit);

}  // namespace zcl::vm
