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
  std::uint64_t user = 0;                  ///< instructions at addresses of the lower half
  std::uint64_t kernel = 0;                ///< instructions at addresses of the upper half
  std::uint64_t system_calls = 0;          ///< `syscall` (sysenter, int 0x80) in user space
  std::uint64_t register_reads = 0;        ///< loads from memory-mapped device registers, all
  std::uint64_t register_writes = 0;       ///< stores to memory-mapped device registers, all
  std::uint64_t user_register_reads = 0;   ///< of these, loads by user space
  std::uint64_t user_register_writes = 0;  ///< of these, stores by user space
  std::uint64_t port_reads = 0;            ///< `in` and `ins`, by user space and kernel
  std::uint64_t port_writes = 0;           ///< `out` and `outs`, by user space and kernel

  [[nodiscard]] std::uint64_t total() const { return user + kernel; }
  bool operator==(const InstructionCounts&) const = default;
};

InstructionCounts operator-(const InstructionCounts& later, const InstructionCounts& earlier);

/// Accesses to device registers in a range of guest-physical addresses.
struct RegisterAccesses {
  std::uint64_t reads = 0;
  std::uint64_t writes = 0;
};

/// Interrupts raised by the emulated interrupt controllers (QMP "info irq"), by "controller:pin".
using InterruptCounts = std::map<std::string, std::uint64_t>;

}  // namespace zcl::vm
