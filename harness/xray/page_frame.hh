// SPDX-License-Identifier: MIT
// What the guest kernel's own page descriptors (struct page) say of a page of RAM.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "harness/vm/kernel_view.hh"

namespace zcl::xray {

enum class PageUse {
  unmanaged,  ///< the kernel has no descriptor: firmware, or left out at boot (memmap=)
  reserved,   ///< never given to the allocator
  free,       ///< in the buddy allocator
  free_on_cpu_list,
  slab,
  anonymous,  ///< user memory without a file
  file,       ///< page cache
  kernel,     ///< allocated, none of the above
};

struct PageFrame {
  PageUse use = PageUse::unmanaged;
  vm::VirtualAddress page = 0;    ///< of its struct page
  vm::VirtualAddress head = 0;    ///< of the struct page of the first page of its block
  vm::PhysicalAddress block = 0;  ///< where the block begins
  unsigned order = 0;             ///< the block has 2^order pages
  std::uint64_t mapping = 0;      ///< struct address_space, when use == file
  std::uint64_t index = 0;        ///< of this page in its file, in pages
};

/// Reads page descriptors by the layout in the kernel's type information (6.1 to 6.12).
class PageFrames {
 public:
  explicit PageFrames(const vm::KernelView& kernel);

  [[nodiscard]] PageFrame at(vm::PhysicalAddress address) const;

 private:
  [[nodiscard]] vm::VirtualAddress page_of(vm::PhysicalAddress address) const;
  [[nodiscard]] std::optional<vm::PhysicalAddress> address_of(vm::VirtualAddress page) const;
  [[nodiscard]] bool flag(std::uint64_t flags, const char* name) const;
  [[nodiscard]] bool has_type(vm::VirtualAddress page, const char* name,
                              std::uint32_t bit_of_old_kernels) const;
  [[nodiscard]] bool in_free_block(vm::PhysicalAddress address) const;
  [[nodiscard]] unsigned order_of(vm::VirtualAddress head, std::uint64_t flags) const;
  [[nodiscard]] PageUse use_of(vm::PhysicalAddress address, const PageFrame& frame,
                               std::uint64_t flags) const;

  const vm::KernelView& kernel_;
  vm::VirtualAddress map_ = 0;  ///< vmemmap: the array of all struct page
  std::uint64_t page_bytes_ = 0;
};

/// One object of a slab.
struct SlabObject {
  std::string cache;  ///< "kmalloc-1k", "skbuff_head_cache"
  std::uint64_t index = 0;
  std::optional<bool> free;  ///< nothing where the free list cannot be read
};
/// The object that holds `address`, in the slab `frame`. Nothing where the slab is damaged.
std::optional<SlabObject> slab_object(const vm::KernelView& kernel, const PageFrame& frame,
                                      vm::PhysicalAddress address);

/// "page cache of /init (inode 7, tmpfs)"; the file's name where the kernel still has it
/// at hand.
std::string describe_file_page(const vm::KernelView& kernel, const PageFrame& frame);

}  // namespace zcl::xray
