// SPDX-License-Identifier: MIT
#include "labs/02_devmem_mmap/host/cost.hh"

#include "harness/vm/instruction_counter.hh"
#include "labs/02_devmem_mmap/include/daq_abi.h"

namespace zcl::lab02 {

Cost cost_of(vm::Machine& machine, Probe& probe, const std::string& command, double units) {
  vm::InstructionCounts least;
  std::uint64_t faults = 0;
  for (unsigned run = 0; run <= kMeasuredRuns; ++run) {
    const auto its_faults = probe.number(command, "the measured command");
    const auto counts = vm::between_marks(machine.counter().marks(), DAQ_MARK_BEGIN, DAQ_MARK_END);
    if (run == 1 || (run > 1 && counts.total() < least.total())) {
      least = counts;
      faults = its_faults;
    }
  }
  const auto each = [&](std::uint64_t total) { return static_cast<double>(total) / units; };
  return {.instructions = each(least.total()),
          .user_instructions = each(least.user),
          .kernel_instructions = each(least.kernel),
          .system_calls = each(least.system_calls),
          .faults = each(faults)};
}

}  // namespace zcl::lab02
