// SPDX-License-Identifier: MIT
// What a lab's host side reads out of a paused guest's memory, asking nobody in the guest.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "harness/vm/kernel_view.hh"
#include "harness/vm/machine.hh"
#include "harness/xray/chain.hh"

namespace zcl::labs {

inline constexpr std::uint64_t kPage = 4096;

/// Bit 9 of a page-table entry: Linux sets it where a mapping has a page frame but no struct page
/// to count (arch/x86/include/asm/pgtable_types.h, _PAGE_SPECIAL).
inline constexpr std::uint64_t kSpecial = 1U << 9;

/// Holds all vCPUs still as long as it lives.
class Pause {
 public:
  explicit Pause(vm::Machine& machine) : machine_(machine) { machine_.pause(); }
  ~Pause();
  Pause(const Pause&) = delete;
  Pause& operator=(const Pause&) = delete;

 private:
  vm::Machine& machine_;
};

/// The user address space of process `pid`, found in the guest's task list. Throws
/// lab::CheckFailed where there is no such process.
vm::AddressSpace space_of(vm::Machine& machine, int pid);

/// The task_struct of process `pid`. Throws lab::CheckFailed where there is none.
vm::VirtualAddress find_task(const vm::KernelView& kernel, int pid);

/// Where `address` of process `pid` leads; nothing where its page table has no entry.
std::optional<vm::Translation> lookup(vm::Machine& machine, int pid, vm::VirtualAddress address);

/// The pages mapped in [from, from + bytes) of process `pid`.
std::vector<vm::Translation> mapped_pages(vm::Machine& machine, int pid, vm::VirtualAddress from,
                                          std::uint64_t bytes);

/// The reference count of the struct page of a page of RAM; 0: the page is free.
std::int32_t page_references(vm::Machine& machine, vm::PhysicalAddress page);

/// Whether the kernel's list of modules has `name`.
bool module_is_loaded(vm::Machine& machine, const std::string& name);

}  // namespace zcl::labs
