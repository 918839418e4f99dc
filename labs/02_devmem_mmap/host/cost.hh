// SPDX-License-Identifier: MIT
// What one repetition of a command costs the guest.
#pragma once

#include <functional>
#include <string>

#include "labs/02_devmem_mmap/host/probe.hh"

namespace zcl::lab02 {

/// Counted by the host; `faults` by the guest's kernel.
struct Cost {
  double instructions = 0;
  double user_instructions = 0;
  double kernel_instructions = 0;
  double system_calls = 0;
  double faults = 0;
};

/// The cost of one repetition of `command(times)`. Taken from the difference of `few` and `many`
/// repetitions, so that what it costs to send the command and to answer it cancels out. One
/// repetition runs before, to bring everything into use. The answer may be the process's faults.
Cost cost_of(vm::Machine& machine, Probe& probe,
             const std::function<std::string(unsigned times)>& command, unsigned few = 1,
             unsigned many = 3);

}  // namespace zcl::lab02
