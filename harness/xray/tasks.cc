// SPDX-License-Identifier: MIT
#include "harness/xray/tasks.hh"

#include <algorithm>
#include <map>
#include <set>

namespace zcl::xray {
namespace {

/// TASK_COMM_LEN of the kernel.
constexpr std::size_t kCommandLength = 16;

/// Mappings of one address that are listed at most: a process can map a page everywhere.
constexpr std::size_t kMostMappings = 64;

std::optional<Task> read_task(const vm::KernelView& kernel, vm::VirtualAddress at) {
  const auto pid = kernel.member<std::int32_t>(at, "task_struct", "pid");
  const auto mm = kernel.member(at, "task_struct", "mm");
  const auto comm = kernel.offset_of("task_struct", "comm");
  if (!pid || !mm || !comm) return std::nullopt;
  Task task;
  task.pid = *pid;
  task.command = kernel.text(at + *comm, kCommandLength);
  task.stack = kernel.member(at, "task_struct", "stack").value_or(0);
  task.space.levels = kernel.space().levels;
  if (*mm == 0) return task;
  const auto pgd = kernel.member(*mm, "mm_struct", "pgd");
  const auto root = pgd ? kernel.translate(*pgd) : std::nullopt;
  if (root) task.space.root = *root;
  return task;
}

}  // namespace

std::vector<Task> read_tasks(const vm::KernelView& kernel) {
  std::vector<Task> tasks;
  const auto init = kernel.symbols().find("init_task");
  const auto link = kernel.offset_of("task_struct", "tasks");
  if (!init || !link) return tasks;
  std::set<vm::VirtualAddress> seen;
  kernel.for_each_on_list(*init + *link, "task_struct", "tasks", [&](vm::VirtualAddress at) {
    if (!seen.insert(at).second) return false;  // a damaged list that runs in a circle of its own
    const auto task = read_task(kernel, at);
    if (!task) return false;
    tasks.push_back(*task);
    return true;
  });
  return tasks;
}

std::vector<Task> read_tasks(vm::Machine& machine) {
  return read_tasks(vm::KernelView::of(machine));
}

std::vector<std::vector<Mapping>> find_mappings(const vm::GuestMemory& memory,
                                                const std::vector<Task>& tasks,
                                                const std::vector<vm::PhysicalAddress>& addresses) {
  std::vector<std::vector<Mapping>> found(addresses.size());
  std::multimap<vm::PhysicalAddress, std::size_t> wanted;
  for (std::size_t i = 0; i < addresses.size(); ++i) wanted.emplace(addresses[i], i);
  std::set<vm::PhysicalAddress> walked;
  for (const Task& task : tasks) {
    // Processes made by vfork share their parent's tables until they call exec.
    if (task.space.root == 0 || !walked.insert(task.space.root).second) continue;
    vm::for_each_user_page(memory, task.space, [&](const vm::Translation& page) {
      const auto last = wanted.lower_bound(page.physical_address + page.page_size);
      for (auto it = wanted.lower_bound(page.physical_address); it != last; ++it) {
        if (found[it->second].size() >= kMostMappings) continue;
        Mapping mapping{task, page};
        mapping.translation.virtual_address += it->first - page.physical_address;
        mapping.translation.physical_address = it->first;
        found[it->second].push_back(std::move(mapping));
      }
    });
  }
  return found;
}

std::vector<Mapping> find_mappings(vm::Machine& machine, vm::PhysicalAddress address) {
  return find_mappings(machine.memory(), read_tasks(machine), {address}).front();
}

}  // namespace zcl::xray
