// SPDX-License-Identifier: MIT
#include "labs/02_devmem_mmap/host/cost.hh"

namespace zcl::lab02 {

Cost cost_of(vm::Machine& machine, Probe& probe,
             const std::function<std::string(unsigned times)>& command, unsigned few,
             unsigned many) {
  struct Window {
    vm::InstructionCounts counts;
    std::uint64_t faults = 0;
  };
  std::uint64_t faults = probe.number("faults", "reading the fault counter");
  const auto run = [&](unsigned times) {
    const auto before = machine.instructions();
    probe.must(command(times), "the measured command");
    const auto counts = machine.instructions() - before;
    const auto now = probe.number("faults", "reading the fault counter");
    return Window{counts, now - std::exchange(faults, now)};
  };
  run(1);
  const auto small = run(few);
  const auto large = run(many);
  const auto each = [&](std::uint64_t of_many, std::uint64_t of_few) {
    return (static_cast<double>(of_many) - static_cast<double>(of_few)) / (many - few);
  };
  return {.instructions = each(large.counts.total(), small.counts.total()),
          .user_instructions = each(large.counts.user, small.counts.user),
          .kernel_instructions = each(large.counts.kernel, small.counts.kernel),
          .system_calls = each(large.counts.system_calls, small.counts.system_calls),
          .faults = each(large.faults, small.faults)};
}

}  // namespace zcl::lab02
