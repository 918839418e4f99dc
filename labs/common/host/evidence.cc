// SPDX-License-Identifier: MIT
#include "labs/common/host/evidence.hh"

#include <algorithm>

#include "harness/lab/procedure.hh"
#include "harness/xray/tasks.hh"

namespace zcl::labs {

namespace {

constexpr std::size_t kLongestModuleName = 56;

}  // namespace

Pause::~Pause() {
  try {
    machine_.resume();
  } catch (const std::exception&) {
    // The machine has failed; whoever uses it next is told so.
  }
}

vm::AddressSpace space_of(vm::Machine& machine, int pid) {
  const auto tasks = xray::read_tasks(machine);
  const auto found =
      std::find_if(tasks.begin(), tasks.end(), [&](const auto& task) { return task.pid == pid; });
  if (found == tasks.end()) {
    throw lab::CheckFailed("Process " + std::to_string(pid) + " is not in the guest's task list.");
  }
  return found->space;
}

vm::VirtualAddress find_task(const vm::KernelView& kernel, int pid) {
  const auto head =
      kernel.symbols().address("init_task") + kernel.offset_of("task_struct", "tasks").value_or(0);
  vm::VirtualAddress found = 0;
  kernel.for_each_on_list(head, "task_struct", "tasks", [&](vm::VirtualAddress task) {
    if (kernel.member<std::int32_t>(task, "task_struct", "pid") == pid) found = task;
    return found == 0;
  });
  if (found == 0) {
    throw lab::CheckFailed("Process " + std::to_string(pid) + " is not in the guest's task list.");
  }
  return found;
}

std::optional<vm::Translation> lookup(vm::Machine& machine, int pid, vm::VirtualAddress address) {
  return vm::walk(machine.memory(), space_of(machine, pid), address);
}

std::vector<vm::Translation> mapped_pages(vm::Machine& machine, int pid, vm::VirtualAddress from,
                                          std::uint64_t bytes) {
  const auto space = space_of(machine, pid);
  std::vector<vm::Translation> pages;
  for (std::uint64_t offset = 0; offset < bytes; offset += kPage) {
    if (auto page = vm::walk(machine.memory(), space, from + offset)) {
      pages.push_back(std::move(*page));
    }
  }
  return pages;
}

std::int32_t page_references(vm::Machine& machine, vm::PhysicalAddress page) {
  const auto kernel = vm::KernelView::of(machine);
  const auto array = kernel.variable<std::uint64_t>("vmemmap_base");
  const auto count = kernel.member<std::int32_t>(
      array.value_or(0) + page / kPage * machine.symbols().size("page"), "page", "_refcount");
  if (!count) throw lab::CheckFailed("The guest has no struct page for the memory at hand.");
  return *count;
}

bool module_is_loaded(vm::Machine& machine, const std::string& name) {
  const auto kernel = vm::KernelView::of(machine);
  const auto name_at = machine.symbols().offset("module", "name");
  bool found = false;
  kernel.for_each_on_list(machine.symbols().address("modules"), "module", "list",
                          [&](vm::VirtualAddress module) {
                            found = kernel.text(module + name_at, kLongestModuleName) == name;
                            return !found;
                          });
  return found;
}

}  // namespace zcl::labs
