// SPDX-License-Identifier: MIT
// What O_SYNC on /dev/mem does to the memory type of a mapping: read from the page-table entries,
// since an emulated processor has no cache whose effect could be seen.
#include <cerrno>

#include "labs/02_devmem_mmap/host/bench.hh"
#include "labs/02_devmem_mmap/host/experiments.hh"
#include "labs/common/host/text.hh"

namespace zcl::lab02 {

namespace {

/// Index into the processor's page attribute table: PAT, PCD, PWT (Intel SDM volume 3, 11.12.3).
unsigned pat_index(const vm::Translation& page) {
  return (page.pat ? 4U : 0U) + (page.cache_disable ? 2U : 0U) + (page.write_through ? 1U : 0U);
}

/// What Linux puts there (arch/x86/mm/pat/memtype.c, pat_bp_init).
const char* memory_type(unsigned index) {
  static constexpr const char* kTypes[] = {"write-back",     "write-combining", "uncached-minus",
                                           "uncached",       "write-back",      "write-protect",
                                           "uncached-minus", "write-through"};
  return kTypes[index & 7];
}

struct Case {
  const char* memory;
  std::uint64_t address;
  const char* access;  ///< of open()
};

unsigned bits_of_mapping(vm::Machine& machine, Probe& probe, const Case& a_case) {
  const auto file = open_file(probe, "/dev/mem", a_case.access);
  const auto view = map_readable(probe, file, a_case.address, kPage, "mapping /dev/mem");
  probe.must("touch " + to_hex(view), "reading the mapping");
  unsigned index = 0;
  {
    const Pause pause(machine);
    const auto page = lookup(machine, probe.pid(), view);
    if (!page) throw lab::CheckFailed("The mapping of /dev/mem is not in the page table.");
    index = pat_index(*page);
  }
  probe.must("unmap " + to_hex(view) + " " + std::to_string(kPage), "munmap");
  probe.must("close " + file, "close");
  return index;
}

}  // namespace

void show_osync(lab::ExperimentContext& context) {
  auto machine = context.start("edu");
  context.load(machine, "devmem_gate");
  Probe probe(context, machine);
  constexpr Case kCases[] = {
      {"reserved at boot", kRegion, "rw"},
      {"reserved at boot", kRegion, "sync"},
      {"ordinary RAM", kRegion / 2, "rw"},
      {"ordinary RAM", kRegion / 2, "sync"},
  };
  std::vector<std::vector<std::string>> table = {{"memory", "open", "PAT PCD PWT", "memory type"}};
  std::vector<unsigned> indices;
  for (const auto& a_case : kCases) {
    const auto index = bits_of_mapping(machine, probe, a_case);
    indices.push_back(index);
    const std::string flags = a_case.access == std::string("sync") ? "O_SYNC" : "without";
    context.metric("page_table_bits", index, {{"memory", a_case.memory}, {"open", flags}});
    table.push_back({a_case.memory, flags,
                     std::to_string(index >> 2 & 1) + "   " + std::to_string(index >> 1 & 1) +
                         "   " + std::to_string(index & 1),
                     memory_type(index)});
  }
  // Two types for one page at a time would be a machine check on some processors.
  const auto cached = open_file(probe, "/dev/mem", "rw");
  map_readable(probe, cached, kRegion, kPage, "mapping the region, cached");
  const auto uncached = open_file(probe, "/dev/mem", "sync");
  const auto conflict = probe.ask("map " + uncached + " " + to_hex(kRegion) + " 4096 r shared");
  context.metric("error_number", conflict.ok ? 0 : conflict.error,
                 {{"memory", "reserved at boot"}, {"open", "O_SYNC beside a cached mapping"}});
  context.transcript(labs::to_table(table) + "O_SYNC while the region is mapped cached: " +
                     (conflict.ok ? "mapped" : conflict.text) + "\n");

  const bool as_known =
      indices[0] == 0 && indices[1] == 2 && indices[2] == 0 && indices[3] == 0 && !conflict.ok;
  context.verdict(
      as_known ? report::ClaimVerdict::qualified : report::ClaimVerdict::refuted,
      std::string("On the region reserved at boot O_SYNC makes the mapping ") +
          memory_type(indices[1]) + "; on ordinary RAM the kernel turns it back to " +
          memory_type(indices[3]) +
          ", the type of its own mapping of the page. On this architecture DMA is coherent with "
          "the cache, so neither is needed to see what a device wrote. Whether an uncached mapping "
          "is slower cannot be judged on an emulated processor.");
}

}  // namespace zcl::lab02
