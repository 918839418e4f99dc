// SPDX-License-Identifier: MIT
// Processes of the guest and what they map, read by the host from guest memory.
#pragma once

#include <string>
#include <vector>

#include "harness/vm/kernel_view.hh"
#include "harness/vm/machine.hh"

namespace zcl::xray {

/// A process of the guest, found by walking the task list from init_task in guest memory.
struct Task {
  int pid = 0;
  std::string command;
  vm::AddressSpace space;        ///< root 0 for a kernel thread
  vm::VirtualAddress stack = 0;  ///< lowest address of its kernel stack
};
std::vector<Task> read_tasks(const vm::KernelView& kernel);
std::vector<Task> read_tasks(vm::Machine& machine);

/// A user mapping of a physical page.
struct Mapping {
  Task task;
  vm::Translation translation;  ///< of the byte that was asked for
};

/// Every user mapping of the page that holds `address`, in every process. A host's own walk of
/// every process's page tables; which processes there are is the guest's word.
std::vector<Mapping> find_mappings(vm::Machine& machine, vm::PhysicalAddress address);
/// The same for many addresses in one walk: element i belongs to addresses[i].
std::vector<std::vector<Mapping>> find_mappings(const vm::GuestMemory& memory,
                                                const std::vector<Task>& tasks,
                                                const std::vector<vm::PhysicalAddress>& addresses);

}  // namespace zcl::xray
