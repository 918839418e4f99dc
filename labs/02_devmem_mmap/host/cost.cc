// SPDX-License-Identifier: MIT
#include "labs/02_devmem_mmap/host/cost.hh"

#include "harness/vm/instruction_counter.hh"
#include "labs/02_devmem_mmap/include/daq_abi.h"

namespace zcl::lab02 {

Cost cost_of(vm::Machine& machine, Probe& probe, const std::string& command, double units) {
  probe.must(command, "the measured command");
  const auto faults = probe.number(command, "the measured command");
  const auto counts =
      vm::between_marks(machine.counter().marks(), DAQ_MARK_BEGIN, DAQ_MARK_END);
  const auto each = [&](std::uint64_t total) { return static_cast<double>(total) / units; };
  return {.instructions = each(counts.total()),
          .user_instructions = each(counts.user),
          .kernel_instructions = each(counts.kernel),
          .system_calls = each(counts.system_calls),
          .faults = each(faults)};
}

}  // namespace zcl::lab02
