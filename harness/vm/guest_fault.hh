// SPDX-License-Identifier: MIT
// The ways in which a guest can end badly. Each is a verdict with its evidence.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

namespace zcl::vm {

enum class FaultKind {
  panic,
  oops,         ///< includes BUG() and a bad page fault; the machine may live on
  warning,      ///< WARN, lockdep, "scheduling while atomic", new taint
  soft_lockup,  ///< a CPU spins in the kernel with interrupts on
  hard_lockup,  ///< a CPU spins with interrupts off (found by an injected NMI)
  hang,         ///< no progress before the deadline, and no CPU spins in the kernel
  reboot,       ///< the guest reset itself, or powered off
  triple_fault,
  out_of_memory,  ///< the OOM killer had to act
  log_flood,      ///< more console output than the limit
  qemu_died,      ///< QEMU aborted or was killed by a signal
};

[[nodiscard]] std::string to_string(FaultKind kind);

/// One frame of a call trace, innermost first.
struct TraceFrame {
  std::string function;
  std::uint64_t offset = 0;  ///< into the function, bytes
  std::uint64_t size = 0;    ///< of the function, bytes (with what pads it)
  std::string module;        ///< empty: the kernel itself
  std::string location;      ///< "file.c:42" once resolved (call_trace.hh), else empty
  bool reliable = true;      ///< false where the kernel printed "?"
  bool caller = true;        ///< `offset` is a return address, not the faulting instruction
};

struct FaultReport {
  FaultKind kind = FaultKind::hang;
  std::string summary;            ///< one line for a person
  std::string console_tail;       ///< the last lines of the console
  std::vector<TraceFrame> trace;  ///< empty where none was printed
};

/// Thrown by any operation on a machine that has failed, or fails during it.
class GuestFault : public std::runtime_error {
 public:
  explicit GuestFault(FaultReport report)
      : std::runtime_error(report.summary), report_(std::move(report)) {}
  [[nodiscard]] const FaultReport& report() const { return report_; }

 private:
  FaultReport report_;
};

}  // namespace zcl::vm
