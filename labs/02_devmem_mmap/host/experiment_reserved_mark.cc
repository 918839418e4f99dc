// SPDX-License-Identifier: MIT
// SetPageReserved: needed before 2.6.15, not needed today, and harmful where it is left behind.
#include "labs/02_devmem_mmap/host/bench.hh"
#include "labs/02_devmem_mmap/host/experiments.hh"
#include "labs/02_devmem_mmap/host/text.hh"

namespace zcl::lab02 {

namespace {

constexpr unsigned kBufferPages = 16;
constexpr std::uint64_t kBufferBytes = kBufferPages * kPage;
constexpr unsigned kLargestBuffer = 512;
constexpr const char* kMarked[] = {"none", "the first", "all"};

/// Pages of the buffer that a mapping shows with the right content.
unsigned good_pages(vm::Machine& machine, Probe& probe, const MarkedPages& marks,
                    const std::string& file, std::uint64_t offset) {
  const auto answer = probe.ask("map " + file + " " + to_hex(offset) + " " +
                                std::to_string(kBufferBytes) + " r shared");
  if (!answer.ok) return 0;
  const auto view = std::stoull(answer.text, nullptr, 16);
  unsigned good = 0;
  const Pause pause(machine);
  const auto pages = mapped_pages(machine, probe.pid(), view, kBufferBytes);
  for (std::size_t i = 0; i < pages.size(); ++i) {
    if (marks.stand_at(machine, i, pages[i].physical_address)) ++good;
  }
  return good;
}

/// The buffer mapped in three ways with pages marked as `mark` says; then everything goes.
std::vector<unsigned> map_with_mark(lab::ExperimentContext& context, vm::Machine& machine,
                                    unsigned mark) {
  load_driver(context, machine, kBufferPages, "mark_reserved=" + std::to_string(mark));
  const MarkedPages marks(context, kBufferPages);
  Probe probe(context, machine);
  const auto daq = open_file(probe, "/dev/daq0", "rw");
  marks.fill_buffer(probe, daq);
  const auto memory = open_file(probe, "/dev/mem", "r");
  const auto buffer = probe.number("area " + daq + " 0", "DAQ_GET_AREA");
  const std::vector<unsigned> good = {good_pages(machine, probe, marks, memory, buffer),
                                      good_pages(machine, probe, marks, daq, kViewPfn),
                                      good_pages(machine, probe, marks, daq, kViewPages)};
  probe.finish();
  machine.agent().unload_module("daq");
  return good;
}

/// What the kernel says when the first page is freed with its mark; empty: nothing. The kernel
/// looks at freed pages in batches, so the buffer is large enough to fill some.
std::string free_with_mark(lab::ExperimentContext& context, vm::Machine& machine) {
  try {
    load_driver(context, machine, kLargestBuffer, "mark_reserved=1 clear_mark=0");
    machine.agent().unload_module("daq");
  } catch (const vm::GuestFault& fault) {
    return fault.report().summary;
  }
  const auto report = machine.alarming();
  return report ? report->summary : std::string();
}

}  // namespace

void show_reserved_mark(lab::ExperimentContext& context) {
  auto machine = context.start("edu");
  context.load(machine, "devmem_gate");
  std::vector<std::vector<std::string>> table = {
      {"pages marked", "/dev/mem (gate)", "remap_pfn_range", "vm_insert_page"}};
  bool all_good = true;
  for (unsigned mark = 0; mark <= 2; ++mark) {
    const auto good = map_with_mark(context, machine, mark);
    static constexpr const char* kWays[] = {"/dev/mem, gate open", "remap_pfn_range",
                                            "vm_insert_page"};
    std::vector<std::string> row = {kMarked[mark]};
    for (std::size_t i = 0; i < good.size(); ++i) {
      context.metric("matches", good[i], {{"way", kWays[i]}, {"marked", kMarked[mark]}});
      row.push_back(std::to_string(good[i]) + " of " + std::to_string(kBufferPages));
      all_good = all_good && good[i] == kBufferPages;
    }
    table.push_back(row);
  }
  const bool quiet_until_now = !machine.alarming();
  const auto complaint = free_with_mark(context, machine);
  context.transcript(to_table(table) + "freed with its mark: " +
                     (complaint.empty() ? "nothing is said" : complaint) + "\n");
  context.verdict(
      all_good && quiet_until_now ? report::ClaimVerdict::refuted : report::ClaimVerdict::confirmed,
      "With no page marked, the first, or all, each of three ways shows all " +
          std::to_string(kBufferPages) +
          " pages: nothing asks for the mark since 2.6.15. A mark that is not cleared before the "
          "page is freed costs that page: the kernel says \"" +
          complaint + "\".");
}

}  // namespace zcl::lab02
