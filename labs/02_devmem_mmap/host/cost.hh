// SPDX-License-Identifier: MIT
// What a measured command of the probe costs the guest.
#pragma once

#include <string>

#include "labs/02_devmem_mmap/host/probe.hh"

namespace zcl::lab02 {

struct Cost {
  double instructions = 0;
  double user_instructions = 0;
  double kernel_instructions = 0;
  double system_calls = 0;
  double faults = 0;  ///< as the guest's kernel counts them; all else is counted by the host
};

inline constexpr unsigned kMeasuredRuns = 3;

/// The cost of `command`, divided by `units`: from the probe's begin mark to its end mark. The
/// command runs once to bring everything into use and then kMeasuredRuns times; the least counts,
/// because whatever else the guest did meanwhile can only add. The marks are the guest's, so this
/// explains and earns nothing.
Cost cost_of(vm::Machine& machine, Probe& probe, const std::string& command, double units = 1);

}  // namespace zcl::lab02
