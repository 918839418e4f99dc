// SPDX-License-Identifier: MIT
// What the host counts of a guest, without asking it.
#pragma once

#include <cstdint>
#include <map>
#include <string>

namespace zcl::vm {

/// Totals since the machine started; subtract two snapshots for a window. Counted by the TCG
/// plugin, so in `count` mode only.
struct InstructionCounts {
  std::uint64_t user = 0;             ///< instructions at addresses of the lower half
  std::uint64_t kernel = 0;           ///< instructions at addresses of the upper half
  std::uint64_t system_calls = 0;     ///< `syscall` executed in user space
  std::uint64_t register_reads = 0;   ///< loads from memory-mapped device registers
  std::uint64_t register_writes = 0;  ///< stores to memory-mapped device registers

  [[nodiscard]] std::uint64_t total() const { return user + kernel; }
};

InstructionCounts operator-(const InstructionCounts& later, const InstructionCounts& earlier);

/// Interrupts raised by the emulated interrupt controllers (QMP "info irq"), by "controller:pin".
using InterruptCounts = std::map<std::string, std::uint64_t>;

}  // namespace zcl::vm
