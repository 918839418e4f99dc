// SPDX-License-Identifier: MIT
// Step `lifetime`: whoever uses memory or code keeps it, and the last one frees it. A page that is
// free has a reference count of 0, which the host reads from the guest's struct page.
#include "labs/02_devmem_mmap/host/bench.hh"
#include "labs/02_devmem_mmap/host/checks.hh"

namespace zcl::lab02 {

namespace {

constexpr unsigned kBufferPages = 16;
constexpr std::uint64_t kBufferBytes = kBufferPages * kPage;

/// Requires that process `pid` still sees mark `page` at `address`, in a page that is not free, and
/// returns where that is.
vm::PhysicalAddress require_alive(vm::Machine& machine, const MarkedPages& marks, std::size_t page,
                                  int pid, vm::VirtualAddress address, const std::string& when) {
  const auto found = lookup(machine, pid, address);
  lab::CheckContext::require(found.has_value(), "The mapping is gone " + when + ".");
  lab::CheckContext::require(page_references(machine, found->physical_address) > 0,
                             "The program still maps " + to_hex(found->physical_address) +
                                 ", but the driver has freed that page " + when + ".");
  lab::CheckContext::require(marks.stand_at(machine, page, found->physical_address),
                             "The mapped page has lost its content " + when + ".");
  return found->physical_address;
}

void require_free(vm::Machine& machine, vm::PhysicalAddress page, const std::string& when) {
  lab::CheckContext::require(page_references(machine, page) == 0,
                             "Nobody uses the old memory " + when + ", yet it is not freed.");
}

}  // namespace

void check_unload(lab::CheckContext& context) {
  auto machine = context.start("edu");
  const MarkedPages marks(context, kBufferPages);
  load_driver(context, machine, kBufferPages);
  Probe probe(context, machine);
  const auto daq = open_file(probe, "/dev/daq0", "rw");
  marks.fill_buffer(probe, daq);
  const auto view = map_readable(probe, daq, kViewPfn, kBufferBytes, "mmap of the buffer");
  probe.must("close " + daq, "closing /dev/daq0");

  std::string refusal;
  try {
    machine.agent().unload_module("daq");
  } catch (const vm::GuestError& error) {
    refusal = error.what();
  }
  vm::PhysicalAddress page = 0;
  {
    const Pause pause(machine);
    context.require(!refusal.empty() && module_is_loaded(machine, "daq"),
                    "The module was unloaded while a program had its memory mapped.");
    page =
        require_alive(machine, marks, 5, probe.pid(), view + 5 * kPage, "after the refused unload");
  }
  probe.kill();
  machine.agent().unload_module("daq");
  {
    const Pause pause(machine);
    context.require(!module_is_loaded(machine, "daq"),
                    "The module stays although nobody uses it any more.");
    require_free(machine, page, "after the unload");
  }
  context.require_quiet_kernel(machine);
  context.observed("unload refused while mapped, done afterwards, memory freed");
}

void check_mapping_lives(lab::CheckContext& context) {
  auto machine = context.start("edu");
  const MarkedPages marks(context, kBufferPages);
  load_driver(context, machine, kBufferPages);
  Probe probe(context, machine);
  const auto daq = open_file(probe, "/dev/daq0", "rw");
  const auto bytes = std::to_string(kBufferBytes);

  // A child inherits the mapping; the parent gives its own up and has the buffer replaced.
  marks.fill_buffer(probe, daq);
  const auto view = map_readable(probe, daq, kViewPfn, kBufferBytes, "mmap of the buffer");
  const auto child = probe.number("fork", "fork");
  probe.must("unmap " + to_hex(view) + " " + bytes, "munmap in the parent");
  probe.must("resize " + daq + " " + std::to_string(kBufferPages), "DAQ_RESIZE");
  vm::PhysicalAddress old_page = 0;
  {
    const Pause pause(machine);
    old_page = require_alive(machine, marks, 2, static_cast<int>(child), view + 2 * kPage,
                             "after fork, munmap in the parent and a resize");
  }
  probe.must("kill " + std::to_string(child), "killing the child");
  {
    const Pause pause(machine);
    require_free(machine, old_page, "after the death of the child that mapped it last");
  }

  // A mapping cut in two and moved; then the device is unbound from its driver.
  marks.fill_buffer(probe, daq);
  const auto second = map_readable(probe, daq, kViewPfn, kBufferBytes, "mmap of the new buffer");
  probe.must("unmap " + to_hex(second + 4 * kPage) + " " + std::to_string(kPage),
             "munmap of a page in the middle");
  const auto tail = probe.number("remap " + to_hex(second + 8 * kPage) + " " +
                                     std::to_string(4 * kPage) + " " + std::to_string(2 * kPage),
                                 "mremap of a part");
  const auto device = probe.must("find_device", "finding the device").at(0);
  machine.agent().write_text("/sys/bus/pci/drivers/daq/unbind", device);
  vm::PhysicalAddress page = 0;
  {
    const Pause pause(machine);
    page = require_alive(machine, marks, 8, probe.pid(), tail, "after unbind");
    require_alive(machine, marks, 0, probe.pid(), second, "after unbind");
  }
  const auto answer = probe.ask("acquire " + daq + " 0 0 16 0");
  context.require(!answer.ok, "A device that is gone still acquires samples.");
  probe.finish();
  {
    const Pause pause(machine);
    require_free(machine, page, "after the end of the last program");
  }
  machine.agent().unload_module("daq");
  context.require_quiet_kernel(machine);
  context.observed("alive after fork, munmap, mremap, resize and unbind; freed with the last user");
}

}  // namespace zcl::lab02
