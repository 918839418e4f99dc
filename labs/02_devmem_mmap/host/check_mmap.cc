// SPDX-License-Identifier: MIT
// Steps `remap` and `pages`: what the consumer's page table holds after each kind of mapping. All
// of it is read by the host's own walk.
#include <algorithm>
#include <set>

#include "harness/xray/census.hh"
#include "labs/02_devmem_mmap/host/bench.hh"
#include "labs/02_devmem_mmap/host/checks.hh"

namespace zcl::lab02 {

namespace {

constexpr unsigned kBufferPages = 16;
constexpr std::uint64_t kBufferBytes = kBufferPages * kPage;

/// A loaded driver whose buffer holds one mark a page, and a probe that has it open for reading.
struct Scene {
  vm::Machine machine;
  MarkedPages marks;
  Probe probe;
  std::string daq;
};

Scene set_scene(lab::CheckContext& context) {
  auto machine = context.start("edu");
  const MarkedPages marks(context, kBufferPages);
  load_driver(context, machine, kBufferPages);
  Probe writer(context, machine);
  marks.fill_buffer(writer, open_file(writer, "/dev/daq0", "rw"));
  writer.finish();
  Probe probe(context, machine);
  auto daq = open_file(probe, "/dev/daq0", "r");
  return {std::move(machine), marks, std::move(probe), std::move(daq)};
}

/// Requires that `count` pages from `address` lead to the buffer's pages from `first` on,
/// read-only.
void require_buffer_pages(Scene& scene, vm::VirtualAddress address, std::size_t first,
                          std::size_t count, const std::string& what) {
  const auto pages = mapped_pages(scene.machine, scene.probe.pid(), address, count * kPage);
  lab::CheckContext::require(pages.size() == count, what + ": " + std::to_string(pages.size()) +
                                                        " of " + std::to_string(count) +
                                                        " pages are in the page table.");
  for (std::size_t i = 0; i < count; ++i) {
    lab::CheckContext::require(
        scene.marks.stand_at(scene.machine, first + i, pages[i].physical_address),
        what + ": page " + std::to_string(i) + " of the mapping leads to " +
            to_hex(pages[i].physical_address) + ", which does not hold page " +
            std::to_string(first + i) + " of the buffer.");
    lab::CheckContext::require(pages[i].user && !pages[i].writable,
                               what + ": the pages are not readable, or not only readable.");
  }
}

/// What a program may not have.
struct Attempt {
  std::uint64_t view;
  std::uint64_t offset;
  std::uint64_t bytes;
  const char* access;
  const char* what;
};

constexpr Attempt kAttempts[] = {
    {kViewRegion, kRegionBytes, kPage, "r shared", "the page after the region"},
    {kViewRegion, kRegionBytes - kPage, 2 * kPage, "r shared", "one page beyond the region"},
    {kViewRegion, 0, kRegionBytes + kPage, "r shared", "more than the whole region"},
    {kViewRegion, 0xfffff000, 2 * kPage, "r shared", "an offset near 4 GiB"},
    {kViewRegion, 0x80000000, kPage, "r shared", "an offset of 2 GiB"},
    {kViewPfn, kBufferBytes, kPage, "r shared", "the page after the buffer"},
    {kViewPfn, kBufferBytes - kPage, 2 * kPage, "r shared", "one page beyond the buffer"},
    {kViewPfn, 0, kBufferBytes + kPage, "r shared", "more than the whole buffer"},
    {kViewPfn, kPage, kBufferBytes, "r shared", "the whole buffer's size from its second page"},
    {kViewPfn, 0, kPage, "w shared", "a shared mapping to write"},
    {kViewPfn, 0, kPage, "rw private", "a private mapping to write"},
    {kViewPfn, 0, kPage, "rx shared", "a mapping to execute"},
    {kViewRegion, 0, kPage, "rw shared", "the region to write"},
};

/// No page of the probe may be the host's memory after the region, and none of region or buffer may
/// be writable or executable.
void require_nothing_exposed(Scene& scene, const std::set<vm::PhysicalAddress>& buffer,
                             const std::string& after) {
  const Pause pause(scene.machine);
  const auto space = space_of(scene.machine, scene.probe.pid());
  std::string exposed;
  vm::for_each_user_page(scene.machine.memory(), space, [&](const vm::Translation& page) {
    const auto physical = page.physical_address;
    const bool after_region = physical >= kSecret && physical < kRegion + 2 * kRegionBytes;
    const bool of_area =
        buffer.contains(physical) || (physical >= kRegion && physical < kRegion + kRegionBytes);
    if (after_region) exposed = "memory after the region, " + to_hex(physical) + ", is mapped";
    if (of_area && page.writable) exposed = to_hex(physical) + " is writable";
    if (of_area && !page.no_execute) exposed = to_hex(physical) + " is executable";
  });
  lab::CheckContext::require(exposed.empty(), "After " + after + ": " + exposed + ".");
}

}  // namespace

void check_remap(lab::CheckContext& context) {
  auto machine_for_region_mark = context.random().bytes(kMarkBytes);
  auto scene = set_scene(context);
  auto& probe = scene.probe;
  const auto whole = map_readable(probe, scene.daq, kViewPfn, kBufferBytes,
                                  "mmap of the whole buffer (remap_pfn_range view)");
  const auto first = 1 + context.random().below(kBufferPages - 3);
  const auto part = map_readable(probe, scene.daq, kViewPfn + first * kPage, 2 * kPage,
                                 "mmap of two pages in the buffer's middle");
  const auto region_page = 1 + context.random().below(kRegionBytes / kPage - 1);
  write_reserved(context, scene.machine, kRegion + region_page * kPage, machine_for_region_mark);
  const auto region = map_readable(probe, scene.daq, kViewRegion + region_page * kPage, kPage,
                                   "mmap of one page of the region");

  const Pause pause(scene.machine);
  require_buffer_pages(scene, whole, 0, kBufferPages, "The whole buffer");
  require_buffer_pages(scene, part, first, 2, "Part of the buffer");
  const auto found = lookup(scene.machine, probe.pid(), region);
  context.require(found && found->physical_address == kRegion + region_page * kPage,
                  "A page of the region's view does not lead to the region.");
  const auto census = xray::take_census(scene.machine.memory(), xray::Payload(scene.marks[first]));
  context.require(census.copies() == 1, "The buffer's content stands in " +
                                            std::to_string(census.copies()) +
                                            " places; a mapping makes no copy.");
  context.require_quiet_kernel(scene.machine);
  context.observed(std::to_string(kBufferPages + 3) +
                   " page-table entries lead to the buffer and the region; one place in RAM");
}

void check_remap_bounds(lab::CheckContext& context) {
  auto scene = set_scene(context);
  auto& probe = scene.probe;
  write_reserved(context, scene.machine, kSecret, context.random().bytes(kMarkBytes));
  const auto whole = map_readable(probe, scene.daq, kViewPfn, kBufferBytes, "mmap of the buffer");
  map_readable(probe, scene.daq, kViewRegion, kRegionBytes, "mmap of the whole region");
  std::set<vm::PhysicalAddress> buffer;
  {
    const Pause pause(scene.machine);
    for (const auto& page : mapped_pages(scene.machine, probe.pid(), whole, kBufferBytes)) {
      buffer.insert(page.physical_address);
    }
  }
  for (const auto& attempt : kAttempts) {
    const auto answer = probe.ask("map " + scene.daq + " " + to_hex(attempt.view + attempt.offset) +
                                  " " + std::to_string(attempt.bytes) + " " + attempt.access);
    require_nothing_exposed(scene, buffer, std::string("asking for ") + attempt.what);
    context.require(!answer.ok, std::string("mmap of ") + attempt.what + " is not refused.");
  }
  for (const char* access : {"rw", "rx"}) {
    const auto answer =
        probe.ask("protect " + to_hex(whole) + " " + std::to_string(kPage) + " " + access);
    require_nothing_exposed(scene, buffer, std::string("mprotect ") + access);
    context.require(!answer.ok, std::string("mprotect to ") + access + " is not refused.");
  }
  probe.ask("remap " + to_hex(whole) + " " + std::to_string(kBufferBytes) + " " +
            std::to_string(2 * kBufferBytes));
  require_nothing_exposed(scene, buffer, "mremap to twice the size");
  context.require_quiet_kernel(scene.machine);
  context.observed(std::to_string(std::size(kAttempts) + 2) +
                   " requests refused, nothing beyond the areas mapped");
}

void check_fault(lab::CheckContext& context) {
  auto scene = set_scene(context);
  auto& probe = scene.probe;
  const auto view =
      map_readable(probe, scene.daq, kViewFault, kBufferBytes, "mmap of the fault view");
  const auto present = [&](std::uint64_t bytes) {
    return mapped_pages(scene.machine, probe.pid(), view, bytes);
  };
  {
    const Pause pause(scene.machine);
    context.require(present(kBufferBytes).empty(),
                    "The fault view has pages in the page table before anything was touched.");
  }
  const auto low = context.random().below(kBufferPages / 2);
  const auto high = kBufferPages / 2 + context.random().below(kBufferPages / 2);
  for (const auto page : {low, high}) {
    probe.must("touch " + to_hex(view + page * kPage),
               "touching page " + std::to_string(page) + " of the fault view");
  }
  {
    const Pause pause(scene.machine);
    const auto pages = present(kBufferBytes);
    context.require(pages.size() == 2, "Two pages were touched, " + std::to_string(pages.size()) +
                                           " are in the page table.");
    require_buffer_pages(scene, view + low * kPage, low, 1, "The first touched page");
    require_buffer_pages(scene, view + high * kPage, high, 1, "The second touched page");
    context.require(page_references(scene.machine, pages[0].physical_address) >= 2,
                    "The page table's reference to the page was not counted (get_page).");
  }
  // The VMA grows in place or moves; the area does not grow.
  const auto grown = probe.number("remap " + to_hex(view) + " " + std::to_string(kBufferBytes) +
                                      " " + std::to_string(4 * kBufferBytes),
                                  "mremap of the fault view");
  for (const auto page : {kBufferPages, 2 * kBufferPages, 4 * kBufferPages - 1}) {
    const auto answer = probe.ask("touch " + to_hex(grown + page * kPage));
    const Pause pause(scene.machine);
    const auto beyond =
        mapped_pages(scene.machine, probe.pid(), grown + kBufferBytes, 3 * kBufferBytes);
    context.require(beyond.empty() && !answer.ok,
                    "Touching page " + std::to_string(page) + " of a view of " +
                        std::to_string(kBufferPages) +
                        " pages, grown by mremap, must end with SIGBUS and map nothing.");
  }
  context.require_quiet_kernel(scene.machine);
  context.observed("two touches, two page-table entries; SIGBUS beyond the area");
}

void check_pages(lab::CheckContext& context) {
  auto scene = set_scene(context);
  const auto view =
      map_readable(scene.probe, scene.daq, kViewPages, kBufferBytes, "mmap of the page view");
  const auto part = map_readable(scene.probe, scene.daq, kViewPages + 3 * kPage, 2 * kPage,
                                 "mmap of two pages of the page view");
  std::vector<vm::Translation> pages;
  {
    const Pause pause(scene.machine);
    require_buffer_pages(scene, view, 0, kBufferPages, "The page view");
    require_buffer_pages(scene, part, 3, 2, "Part of the page view");
    pages = mapped_pages(scene.machine, scene.probe.pid(), view, kBufferBytes);
    for (std::size_t i = 0; i < pages.size(); ++i) {
      context.require((pages[i].entries.back().value & labs::kSpecial) == 0,
                      "The page-table entries are marked special: a page-frame mapping.");
      const int wanted = i == 3 || i == 4 ? 3 : 2;
      const int counted = page_references(scene.machine, pages[i].physical_address);
      context.require(counted == wanted, "Page " + std::to_string(i) + " has " +
                                             std::to_string(counted) + " references, not " +
                                             std::to_string(wanted) +
                                             ": one of the driver, one of each mapping.");
    }
  }
  scene.probe.kill();
  const Pause pause(scene.machine);
  for (const auto& page : pages) {
    context.require(page_references(scene.machine, page.physical_address) == 1,
                    "After the program's end its references to the pages are not given back.");
  }
  context.require_quiet_kernel(scene.machine);
  context.observed("16 pages mapped at once, each with its reference, given back at the end");
}

}  // namespace zcl::lab02
