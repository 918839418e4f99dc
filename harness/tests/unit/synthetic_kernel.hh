// SPDX-License-Identifier: MIT
// A few data structures of a kernel that never ran, for tests without a guest.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "harness/tests/unit/synthetic_btf.hh"
#include "harness/tests/unit/synthetic_memory.hh"
#include "harness/vm/kernel_symbols.hh"
#include "harness/vm/kernel_view.hh"

namespace zcl::test {

/// Page tables at 0x1000 map all RAM at kLinear; init_task stands at 0x10000, the page array of
/// 64-byte descriptors at 0x1000000.
class SyntheticKernel {
 public:
  static constexpr vm::VirtualAddress kLinear = 0xffff888000000000;
  static constexpr vm::PhysicalAddress kRoot = 0x1000;
  static constexpr vm::PhysicalAddress kInitTask = 0x10000;
  static constexpr vm::PhysicalAddress kPageArray = 0x1000000;

  SyntheticKernel() : symbols_(kallsyms(), types()) {
    // One PML4 entry, one PDPT entry: the first gigabyte as one large page.
    ram_.store<std::uint64_t>(kRoot + 8 * 273, 0x2003);
    ram_.store<std::uint64_t>(0x2000, 0x83);
    ram_.store<std::uint64_t>(0x3000, kLinear + kPageArray);  // vmemmap_base
    ram_.store<std::uint64_t>(0x3008, kLinear);               // page_offset_base
    set_tasks({});
  }

  SyntheticMemory& ram() { return ram_; }
  [[nodiscard]] vm::KernelView view() const { return {ram_.memory(), symbols_, {kRoot, 4}}; }
  static vm::VirtualAddress linear(vm::PhysicalAddress address) { return kLinear + address; }

  struct Task {
    int pid = 0;
    std::string command;
    vm::PhysicalAddress root = 0;  ///< 0: a kernel thread
  };
  /// Task i stands at kInitTask + (i + 1) * 0x200, its mm 0x100 behind.
  void set_tasks(const std::vector<Task>& tasks) {
    for (std::size_t i = 0; i <= tasks.size(); ++i) {
      const auto next = i == tasks.size() ? kInitTask : kInitTask + (i + 1) * 0x200;
      ram_.store<std::uint64_t>(kInitTask + i * 0x200 + kTasks, linear(next + kTasks));
    }
    for (std::size_t i = 0; i < tasks.size(); ++i) {
      const vm::PhysicalAddress at = kInitTask + (i + 1) * 0x200;
      ram_.store<std::int32_t>(at, tasks[i].pid);
      ram_.store<std::uint64_t>(at + 8, tasks[i].root == 0 ? 0 : linear(at + 0x100));
      ram_.text(at + 32, tasks[i].command + '\0');
      ram_.store<std::uint64_t>(at + 0x100, linear(tasks[i].root));
    }
  }
  static constexpr std::uint64_t kTasks = 16;

  /// The descriptor of the page at `address`.
  static vm::PhysicalAddress page(vm::PhysicalAddress address) {
    return kPageArray + address / 4096 * 64;
  }

 private:
  static std::string kallsyms() {
    return "ffff888000010000 D init_task\nffff888000003000 D vmemmap_base\n"
           "ffff888000003008 D page_offset_base\nffff888000004000 D modules\nffff888000f00000 T "
           "_text\n"
           "ffff888000f00400 T some_function\nffff888000f10000 B _end\n";
  }
  static base::Bytes types() {
    SyntheticBtf btf;
    btf.structure(
        "task_struct", 0x100,
        {{"pid", 0, 0}, {"mm", 0, 8}, {"tasks", 0, 16}, {"comm", 0, 32}, {"stack", 0, 48}});
    btf.structure("mm_struct", 64, {{"pgd", 0, 0}});
    const int atomic = btf.structure("", 8, {{"counter", 0, 0}});
    btf.structure("page", 64,
                  {{"flags", 0, 0},
                   {"compound_head", 0, 8},
                   {"mapping", 0, 24},
                   {"index", 0, 32},
                   {"private", 0, 40},
                   {"page_type", 0, 48},
                   {"_refcount", atomic, 52},
                   {"compound_order", 0, 17}});
    btf.structure("slab", 64, {{"slab_cache", 0, 24}, {"freelist", 0, 32}});
    btf.structure("kmem_cache", 64,
                  {{"size", 0, 0}, {"offset", 0, 8}, {"random", 0, 16}, {"name", 0, 24}});
    btf.structure("address_space", 64, {{"host", 0, 0}});
    btf.structure("module", 128, {{"list", 0, 8}, {"name", 0, 24}, {"kallsyms", 0, 88}});
    btf.structure("mod_kallsyms", 32, {{"symtab", 0, 0}, {"num_symtab", 0, 8}, {"strtab", 0, 16}});
    btf.structure("inode", 64, {{"i_ino", 0, 0}});
    btf.enumeration("pageflags",
                    {{"PG_locked", 0}, {"PG_slab", 9}, {"PG_reserved", 11}, {"PG_head", 16}});
    return btf.bytes();
  }

  SyntheticMemory ram_;
  vm::KernelSymbols symbols_;
};

}  // namespace zcl::test
