// SPDX-License-Identifier: MIT
// What the CPUs of a guest are doing, by looking at them several times.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace zcl::vm {

/// One CPU at one moment.
struct CpuSample {
  std::uint64_t instruction_pointer = 0;
  bool user_mode = false;
  bool interrupts_enabled = true;
  bool halted = false;
};

/// Text of QEMU's "info registers -a", in the order of the CPUs. A CPU that cannot be read is left
/// out.
std::vector<CpuSample> parse_cpu_samples(const std::string& registers);

enum class CpuActivity {
  idle_or_mixed,       ///< halted, or in user and kernel mode by turns
  user_spin,           ///< in user mode every time
  kernel_spin,         ///< in the kernel every time, interrupts on at least once
  kernel_spin_masked,  ///< in the kernel (or halted) with interrupts off every time
};

/// The worst of all CPUs over `rounds` of samples, and which CPU it was.
struct CpuVerdict {
  CpuActivity activity = CpuActivity::idle_or_mixed;
  unsigned cpu = 0;
};
CpuVerdict judge_cpus(const std::vector<std::vector<CpuSample>>& rounds);

}  // namespace zcl::vm
