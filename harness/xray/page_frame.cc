// SPDX-License-Identifier: MIT
#include "harness/xray/page_frame.hh"

#include <algorithm>
#include <set>

namespace zcl::xray {
namespace {

constexpr std::uint64_t kPageSize = 4096;
/// MAX_ORDER of the kernels we know is 10 or 11; blocks of the buddy allocator are not larger.
constexpr unsigned kLargestOrder = 11;

/// Low bits of page->mapping (include/linux/page-flags.h).
constexpr std::uint64_t kMappingAnonymous = 1;
constexpr std::uint64_t kMappingFlags = 3;

/// page_type of kernels before 6.11: all ones but for a cleared bit (PAGE_TYPE_BASE, PG_buddy).
constexpr std::uint32_t kOldTypeBase = 0xf0000000;
constexpr std::uint32_t kOldBuddy = 0x80;

constexpr std::size_t kLongestFreeList = 1U << 15;  // a slab has at most 32767 objects
constexpr unsigned kMostCpus = 64;

constexpr std::size_t kLongestName = 64;
constexpr int kDeepestDirectory = 16;

}  // namespace

PageFrames::PageFrames(const vm::KernelView& kernel) : kernel_(kernel) {
  map_ = kernel.variable<std::uint64_t>("vmemmap_base").value_or(0);
  page_bytes_ = kernel.symbols().size("page");
}

vm::VirtualAddress PageFrames::page_of(vm::PhysicalAddress address) const {
  return map_ + address / kPageSize * page_bytes_;
}

std::optional<vm::PhysicalAddress> PageFrames::address_of(vm::VirtualAddress page) const {
  if (page < map_ || (page - map_) % page_bytes_ != 0) return std::nullopt;
  const vm::PhysicalAddress address = (page - map_) / page_bytes_ * kPageSize;
  if (!kernel_.memory().contains(address)) return std::nullopt;
  return address;
}

bool PageFrames::flag(std::uint64_t flags, const char* name) const {
  const auto bit = kernel_.symbols().enumerator("pageflags", name);
  return bit && *bit < 64 && (flags >> *bit & 1) != 0;
}

bool PageFrames::has_type(vm::VirtualAddress page, const char* name,
                          std::uint32_t bit_of_old_kernels) const {
  const auto type = kernel_.member<std::uint32_t>(page, "page", "page_type");
  if (!type) return false;
  if (const auto wanted = kernel_.symbols().enumerator("pagetype", name)) {
    // Since 6.11 the top byte is a number; before, the names stood for bits.
    if (*wanted <= 0xff) return *type >> 24 == *wanted;
    return (*type & (kOldTypeBase | *wanted)) == kOldTypeBase;
  }
  return bit_of_old_kernels != 0 && (*type & (kOldTypeBase | bit_of_old_kernels)) == kOldTypeBase;
}

bool PageFrames::in_free_block(vm::PhysicalAddress address) const {
  // Only the first page of a free block is marked, with the block's order.
  for (unsigned order = 0; order <= kLargestOrder; ++order) {
    const vm::PhysicalAddress start = address & ~((kPageSize << order) - 1);
    const vm::VirtualAddress page = page_of(start);
    if (!has_type(page, "PGTY_buddy", kOldBuddy)) continue;
    const auto block_order = kernel_.member(page, "page", "private");
    if (block_order && *block_order >= order && *block_order <= kLargestOrder) return true;
  }
  return false;
}

unsigned PageFrames::order_of(vm::VirtualAddress head, std::uint64_t flags) const {
  if (!flag(flags, "PG_head")) return 0;
  const vm::VirtualAddress second = head + page_bytes_;
  if (const auto order = kernel_.member<std::uint8_t>(second, "page", "compound_order")) {
    return *order < 32 ? *order : 0;
  }
  const auto second_flags = kernel_.member(second, "page", "flags");
  return second_flags ? static_cast<unsigned>(*second_flags & 0x1f) : 0;
}

PageUse PageFrames::use_of(vm::PhysicalAddress address, const PageFrame& frame,
                           std::uint64_t flags) const {
  if (flag(flags, "PG_reserved")) return PageUse::reserved;
  if (in_free_block(address)) return PageUse::free;
  if (flag(flags, "PG_slab") || has_type(frame.head, "PGTY_slab", 0)) return PageUse::slab;
  const auto references = kernel_.member<std::int32_t>(frame.head, "page", "_refcount.counter");
  if (references && *references == 0) return PageUse::free_on_cpu_list;
  if ((frame.mapping & kMappingAnonymous) != 0) return PageUse::anonymous;
  if (frame.mapping != 0) return PageUse::file;
  return PageUse::kernel;
}

PageFrame PageFrames::at(vm::PhysicalAddress address) const {
  PageFrame frame;
  frame.page = frame.head = page_of(address);
  frame.block = address & ~(kPageSize - 1);
  if (map_ == 0 || !kernel_.load<std::uint64_t>(frame.page)) return frame;
  const auto compound = kernel_.member(frame.page, "page", "compound_head");
  if (compound && (*compound & 1) != 0) {
    // A tail page: its descriptor points at the block's first, below it in the array.
    const vm::VirtualAddress head = *compound - 1;
    const auto start = address_of(head);
    if (start && head < frame.page) {
      frame.head = head;
      frame.block = *start;
    }
  }
  const std::uint64_t flags = kernel_.member(frame.head, "page", "flags").value_or(0);
  frame.order = order_of(frame.head, flags);
  frame.mapping = kernel_.member(frame.head, "page", "mapping").value_or(0);
  frame.index = kernel_.member(frame.head, "page", "index").value_or(0) +
                (frame.page - frame.head) / page_bytes_;
  frame.use = use_of(address, frame, flags);
  if (frame.use != PageUse::file) {
    frame.mapping = 0;
  } else {
    frame.mapping &= ~kMappingFlags;
  }
  return frame;
}

namespace {

/// The free objects of one list, by address. SLUB hides the links with a number of the cache and
/// the link's own address (CONFIG_SLAB_FREELIST_HARDENED, mm/slub.c: freelist_ptr).
void add_free_objects(const vm::KernelView& kernel, vm::VirtualAddress cache,
                      vm::VirtualAddress first, std::uint32_t link,
                      std::set<vm::VirtualAddress>& free) {
  const std::uint64_t secret = kernel.member(cache, "kmem_cache", "random").value_or(0);
  const bool hidden = kernel.offset_of("kmem_cache", "random").has_value();
  vm::VirtualAddress object = first;
  for (std::size_t i = 0; i < kLongestFreeList && object != 0; ++i) {
    if (!free.insert(object).second) return;
    const vm::VirtualAddress at = object + link;
    const auto stored = kernel.load<std::uint64_t>(at);
    if (!stored) return;
    object = hidden ? *stored ^ secret ^ __builtin_bswap64(at) : *stored;
  }
}

std::optional<std::set<vm::VirtualAddress>> free_objects(const vm::KernelView& kernel,
                                                         const PageFrame& frame,
                                                         vm::VirtualAddress cache) {
  const auto link = kernel.member<std::uint32_t>(cache, "kmem_cache", "offset");
  const auto shared = kernel.member(frame.head, "slab", "freelist");
  if (!link || !shared) return std::nullopt;
  std::set<vm::VirtualAddress> free;
  add_free_objects(kernel, cache, *shared, *link, free);
  // The slab that a CPU allocates from has a second list there.
  const auto per_cpu = kernel.member(cache, "kmem_cache", "cpu_slab");
  const auto offsets = kernel.symbols().find("__per_cpu_offset");
  const auto cpus = kernel.variable<std::uint32_t>("nr_cpu_ids");
  if (!per_cpu || !offsets) return free;
  for (unsigned cpu = 0; cpu < std::min(cpus.value_or(1), kMostCpus); ++cpu) {
    const auto offset = kernel.load<std::uint64_t>(*offsets + cpu * 8ULL);
    if (!offset) break;
    const vm::VirtualAddress here = *per_cpu + *offset;
    const auto slab = kernel.member(here, "kmem_cache_cpu", "slab");
    const auto list = kernel.member(here, "kmem_cache_cpu", "freelist");
    if (slab && list && *slab == frame.head) add_free_objects(kernel, cache, *list, *link, free);
  }
  return free;
}

}  // namespace

std::optional<SlabObject> slab_object(const vm::KernelView& kernel, const PageFrame& frame,
                                      vm::PhysicalAddress address) {
  const auto cache = kernel.member(frame.head, "slab", "slab_cache");
  const auto size =
      cache ? kernel.member<std::uint32_t>(*cache, "kmem_cache", "size") : std::nullopt;
  const auto name = cache ? kernel.member(*cache, "kmem_cache", "name") : std::nullopt;
  if (!name || !size || *size == 0 || address < frame.block) return std::nullopt;
  SlabObject object;
  object.cache = kernel.text(*name, kLongestName);
  object.index = (address - frame.block) / *size;
  const auto linear_map = kernel.variable<std::uint64_t>("page_offset_base");
  const auto free = free_objects(kernel, frame, *cache);
  if (linear_map && free) {
    // Free lists hold addresses of the kernel's map of all RAM.
    const vm::VirtualAddress start = *linear_map + frame.block + object.index * *size;
    const auto first = free->lower_bound(start);
    object.free = first != free->end() && *first < start + *size;
  }
  return object;
}

std::string describe_file_page(const vm::KernelView& kernel, const PageFrame& frame) {
  const auto inode = kernel.member(frame.mapping, "address_space", "host");
  const auto number = inode ? kernel.member(*inode, "inode", "i_ino") : std::nullopt;
  if (!number) return "page cache";
  std::string path;
  const auto alias = kernel.offset_of("dentry", "d_u.d_alias");
  auto dentry = kernel.member(*inode, "inode", "i_dentry.first");
  if (dentry && *dentry != 0 && alias) {
    *dentry -= *alias;
    for (int depth = 0; dentry && depth < kDeepestDirectory; ++depth) {
      const auto parent = kernel.member(*dentry, "dentry", "d_parent");
      const auto name = kernel.member(*dentry, "dentry", "d_name.name");
      if (!parent || !name || *parent == *dentry) break;
      path = "/" + kernel.text(*name, kLongestName) + path;
      dentry = parent;
    }
  }
  std::string text = "page cache of ";
  text += path.empty() ? "a file" : path;
  text += " (inode " + std::to_string(*number);
  const auto super = kernel.member(*inode, "inode", "i_sb");
  const auto type = super ? kernel.member(*super, "super_block", "s_type") : std::nullopt;
  const auto type_name = type ? kernel.member(*type, "file_system_type", "name") : std::nullopt;
  if (type_name) text += ", " + kernel.text(*type_name, kLongestName);
  return text + ")";
}

}  // namespace zcl::xray
