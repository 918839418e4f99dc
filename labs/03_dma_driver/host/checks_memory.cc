// SPDX-License-Identifier: MIT
// Step mmap: ring page and pool in the program's address space, and how long they live. Read by the
// host's own walk of the program's page table.
#include <algorithm>
#include <set>

#include "harness/xray/page_frame.hh"
#include "labs/03_dma_driver/host/checks.hh"
#include "labs/03_dma_driver/host/support.hh"

namespace zcl::lab03 {

namespace {

struct Attempt {
  std::uint64_t offset;
  std::uint64_t bytes;
  const char* access;
  const char* what;
};

std::set<vm::PhysicalAddress> pages_of(vm::Machine& machine, int pid) {
  std::set<vm::PhysicalAddress> pages;
  vm::for_each_user_page(machine.memory(), labs::space_of(machine, pid),
                         [&](const vm::Translation& page) { pages.insert(page.physical_address); });
  return pages;
}

/// Whether the process has got a page since `before` that is neither its own memory nor a file's.
bool maps_more_of_the_kernel(vm::Machine& machine, int pid,
                             const std::set<vm::PhysicalAddress>& before) {
  const auto kernel = vm::KernelView::of(machine);
  const xray::PageFrames frames(kernel);
  return std::ranges::any_of(pages_of(machine, pid), [&](auto page) {
    if (before.contains(page)) return false;
    const auto use = frames.at(page).use;
    return use != xray::PageUse::anonymous && use != xray::PageUse::file;
  });
}

/// What a program may not have, of a page of `ring` and a pool of `pool` bytes.
std::vector<Attempt> attempts(std::uint64_t ring, std::uint64_t pool) {
  return {
      {ZCL_MAP_POOL + pool, kPage, "rw shared", "the page after the pool"},
      {ZCL_MAP_POOL + pool - kPage, 2 * kPage, "rw shared", "one page beyond the pool"},
      {ZCL_MAP_POOL, pool + kPage, "rw shared", "more than the whole pool"},
      {ZCL_MAP_POOL + kPage, pool, "rw shared", "the whole pool's size from its second page"},
      {ZCL_MAP_POOL + 0xfffff000, 2 * kPage, "rw shared", "the end of the pool's view"},
      {ZCL_MAP_POOL, kPage, "rwx shared", "the pool to execute"},
      {ZCL_MAP_POOL, kPage, "rw private", "a private mapping of the pool"},
      {ZCL_MAP_RING + ring, kPage, "rw shared", "the page after the ring page"},
      {ZCL_MAP_RING, kPage, "rwx shared", "the ring page to execute"},
      {3 * ZCL_MAP_POOL, kPage, "rw shared", "a view that does not exist"},
  };
}

struct Mapped {
  RingPlace place;
  std::string file;
};

/// The ring page not touched yet, the pool mapped whole.
Mapped map_both(RingProbe& probe, const RingShape& shape) {
  Mapped mapped{.place = probe.set_up(shape), .file = {}};
  auto& place = mapped.place;
  mapped.file = std::to_string(place.file);
  place.page = probe.number("map " + mapped.file + " " + to_hex(ZCL_MAP_RING) + " " +
                                std::to_string(place.page_bytes) + " rw shared",
                            "mmap of the ring page");
  place.pool = probe.number("map " + mapped.file + " " + to_hex(ZCL_MAP_POOL) + " " +
                                std::to_string(place.pool_bytes) + " rw shared",
                            "mmap of the pool");
  return mapped;
}

/// Pages that the program's pool consists of. (A child gets the ring page's entries when it touches
/// them.) Paused.
std::vector<vm::PhysicalAddress> pool_pages(vm::Machine& machine, const RingPlace& place) {
  std::vector<vm::PhysicalAddress> pages;
  for (const auto& page : labs::mapped_pages(machine, place.pid, place.pool, place.pool_bytes)) {
    pages.push_back(page.physical_address);
  }
  return pages;
}

std::size_t still_used(vm::Machine& machine, const std::vector<vm::PhysicalAddress>& pages) {
  return static_cast<std::size_t>(std::ranges::count_if(
      pages, [&](auto page) { return labs::page_references(machine, page) > 0; }));
}

/// Freed pages may have a new owner by now: some of them, not most.
void require_freed(vm::Machine& machine, const std::vector<vm::PhysicalAddress>& pages,
                   const std::string& what) {
  const auto used = still_used(machine, pages);
  lab::CheckContext::require(4 * used < pages.size(), std::to_string(used) + " of " +
                                                          std::to_string(pages.size()) +
                                                          " pages of " + what + " are not freed.");
}

bool refuses_to_unload(vm::Machine& machine, const std::string& module) {
  try {
    machine.agent().unload_module(module);
  } catch (const vm::GuestError&) {
    const Pause pause(machine);
    return labs::module_is_loaded(machine, module);
  }
  return false;
}

}  // namespace

void check_mmap(lab::CheckContext& context) {
  auto machine = start_loaded(context);
  RingProbe probe(context, machine);
  const RingShape shape{.rx_slots = 512, .tx_slots = 256};  // four pages
  const auto [place, file] = map_both(probe, shape);
  const auto ring_entries = [&] {
    return labs::mapped_pages(machine, probe.pid(), place.page, place.page_bytes);
  };
  {
    const Pause pause(machine);
    context.require(ring_entries().empty(),
                    "The ring page is in the page table before anything was touched.");
  }
  probe.must("touch " + to_hex(place.page + 2 * kPage), "touching the ring page's third page");
  {
    const Pause pause(machine);
    const auto entries = ring_entries();
    context.require(
        entries.size() == 1 && entries.front().virtual_address == place.page + 2 * kPage,
        "One page was touched, " + std::to_string(entries.size()) + " are in the page table.");
  }
  for (const unsigned page : {0U, 1U, 3U}) {
    probe.must("touch " + to_hex(place.page + page * kPage), "touching the ring page");
  }
  probe.must("ioctl_number " + file + " " + std::to_string(ZCL_SET_MODE) + " " +
                 std::to_string(ZCL_MODE_RING),
             "ZCL_SET_MODE");
  bring_up(machine);
  const Nic nic(machine, "net0");
  const auto first = 1 + context.random().below(place.pool_bytes / kPage - 4);
  const auto part = probe.number("map " + file + " " + to_hex(ZCL_MAP_POOL + first * kPage) + " " +
                                     std::to_string(2 * kPage) + " rw shared",
                                 "mmap of two pages of the pool");
  std::set<vm::PhysicalAddress> before;
  {
    const Pause pause(machine);
    const auto pages = find_ring_pages(machine.memory(), shape);
    const RingView view(machine, place, shape);
    context.require(pages.size() == 1 && view.page() == pages.front(),
                    "The mapping does not lead to the kernel's ring page.");
    // At set-up slot i holds buffer i, TxBuf's follow, and the NIC has the last ones.
    for (std::uint32_t i = 0; i < shape.rx_slots; ++i) {
      context.require(view.descriptor(Queue::receive, i).buffer == i,
                      "A page of the ring page's view leads to another page of it.");
    }
    std::set<vm::PhysicalAddress> pool;
    for (const auto& page :
         labs::mapped_pages(machine, probe.pid(), place.pool, place.pool_bytes)) {
      context.require(page.user && page.writable && page.no_execute,
                      "A page of the pool is not readable and writable, or is executable.");
      context.require(labs::page_references(machine, page.physical_address) >= 2,
                      "A page of the pool in the page table is not counted (vm_insert_pages).");
      pool.insert(page.physical_address);
    }
    context.require(pool.size() == place.pool_bytes / kPage,
                    std::to_string(pool.size()) + " different pages of the pool are mapped, of " +
                        std::to_string(place.pool_bytes / kPage) + ".");
    std::set<vm::PhysicalAddress> nics;
    std::set<vm::PhysicalAddress> last;
    for (const auto& descriptor : nic.receive_ring()) nics.insert(descriptor.buffer);
    for (auto i = place.buffers - static_cast<std::uint32_t>(nics.size()); i < place.buffers; ++i) {
      last.insert(view.buffer(i).value_or(0));
    }
    context.require(nics == last,
                    "The pool's mapping does not lead to the buffers that the NIC's descriptors "
                    "point at.");
    for (unsigned page = 0; page < 2; ++page) {
      const auto whole = labs::lookup(machine, probe.pid(), place.pool + (first + page) * kPage);
      const auto again = labs::lookup(machine, probe.pid(), part + page * kPage);
      context.require(whole && again && whole->physical_address == again->physical_address,
                      "A mapping of part of the pool leads to other pages of it.");
    }
    before = pages_of(machine, probe.pid());
  }
  const auto refuse = [&](const std::string& command, const std::string& what) {
    const auto answer = probe.ask(command);
    const Pause pause(machine);
    context.require(!answer.ok && !maps_more_of_the_kernel(machine, probe.pid(), before),
                    "mmap of " + what + " is not refused.");
  };
  for (const auto& attempt : attempts(place.page_bytes, place.pool_bytes)) {
    refuse("map " + file + " " + to_hex(attempt.offset) + " " + std::to_string(attempt.bytes) +
               " " + attempt.access,
           attempt.what);
  }
  refuse("protect " + to_hex(place.pool) + " 4096 rwx", "the pool, made executable later,");
  refuse(
      "remap " + to_hex(part) + " " + std::to_string(2 * kPage) + " " + std::to_string(4 * kPage),
      "a part of the pool, grown by mremap,");
  context.require_quiet_kernel(machine);
  context.observed(
      "ring page by faults, " + std::to_string(place.pool_bytes / kPage) +
      " pages of the pool, those that the NIC's descriptors point at; 12 requests refused");
}

void check_lifetime(lab::CheckContext& context) {
  auto machine = start_loaded(context);
  const RingShape shape;
  std::vector<vm::PhysicalAddress> pages;
  std::vector<vm::PhysicalAddress> ring_pages;
  {
    RingProbe probe(context, machine);
    const auto [place, file] = map_both(probe, shape);
    probe.must("touch " + to_hex(place.page), "touching the ring page");
    probe.must("ioctl_number " + file + " " + std::to_string(ZCL_SET_MODE) + " " +
                   std::to_string(ZCL_MODE_RING),
               "ZCL_SET_MODE");
    bring_up(machine);
    {
      const Pause pause(machine);
      pages = pool_pages(machine, place);
      const auto ring = labs::mapped_pages(machine, probe.pid(), place.page, place.page_bytes);
      for (const auto& page : ring) ring_pages.push_back(page.physical_address);
    }
    // A child has it all; the parent cuts a hole, then gives everything up.
    const auto child = static_cast<int>(probe.number("fork", "fork"));
    const auto unmap = [&](vm::VirtualAddress from, std::uint64_t bytes) {
      probe.must("unmap " + to_hex(from) + " " + std::to_string(bytes), "munmap");
    };
    constexpr std::uint64_t kHole = 8 * kPage;
    unmap(place.pool + 4 * kPage, kHole);
    context.require(
        refuses_to_unload(machine, "zcl_e1000") && refuses_to_unload(machine, "zcl_ring"),
        "A module was unloaded while a program had its ring mapped.");
    unmap(place.pool, place.pool_bytes);
    unmap(place.page, place.page_bytes);
    probe.must("close " + file, "closing the device");
    {
      const Pause pause(machine);
      auto of_child = place;
      of_child.pid = child;
      context.require(pool_pages(machine, of_child) == pages,
                      "The child's mapping is not what its parent's was.");
      context.require(still_used(machine, pages) == pages.size() &&
                          still_used(machine, ring_pages) == ring_pages.size(),
                      "A child still maps ring and pool, and some of their pages are freed.");
    }
    context.require(refuses_to_unload(machine, "zcl_e1000"),
                    "The driver was unloaded while a child had its ring mapped.");
    probe.must("kill " + std::to_string(child), "killing the child");
    const Pause pause(machine);
    require_freed(machine, pages, "ring and pool, after the last program's death,");
  }
  // Whatever the ring's user left behind, the NIC goes on, and then goes without a trace.
  const Nic nic(machine, "net0");
  bool freed = false;
  for (unsigned round = 0; round < 3; ++round) {
    std::vector<vm::PhysicalAddress> buffers;
    vm::PhysicalAddress ring = 0;
    {
      const Pause pause(machine);
      for (const auto& descriptor : nic.receive_ring()) {
        buffers.push_back(descriptor.buffer / kPage * kPage);
      }
      ring = std::uint64_t{nic.read(Register::rdbah)} << 32 | nic.read(Register::rdbal);
      context.require(!buffers.empty(), "The NIC's receiver is off.");
      context.require(round > 0 || std::ranges::none_of(buffers,
                                                        [&](auto buffer) {
                                                          return std::ranges::find(pages, buffer) !=
                                                                 pages.end();
                                                        }),
                      "The NIC still has buffers of a pool that is freed.");
    }
    machine.agent().unload_module("zcl_e1000");
    machine.agent().unload_module("zcl_ring");
    {
      const Pause pause(machine);
      require_freed(machine, buffers, "the receive ring's buffers, after the unload,");
      freed = freed || labs::page_references(machine, ring) == 0;
    }
    context.load(machine, "zcl_ring");
    context.load(machine, "zcl_e1000");
    bring_up(machine);
  }
  context.require(freed, "The descriptor ring's memory is not freed with the module.");
  context.require_quiet_kernel(machine);
  context.observed("alive after fork, munmap and close; " + std::to_string(pages.size()) +
                   " pages freed with the last mapping; four loads leave nothing behind");
}

}  // namespace zcl::lab03
