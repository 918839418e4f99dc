// SPDX-License-Identifier: MIT
#include "harness/vm/guest_fault.hh"

namespace zcl::vm {

std::string to_string(FaultKind kind) {
  switch (kind) {
    case FaultKind::panic:
      return "panic";
    case FaultKind::oops:
      return "oops";
    case FaultKind::warning:
      return "warning";
    case FaultKind::soft_lockup:
      return "soft lockup";
    case FaultKind::hard_lockup:
      return "hard lockup";
    case FaultKind::hang:
      return "hang";
    case FaultKind::reboot:
      return "reboot";
    case FaultKind::triple_fault:
      return "triple fault";
    case FaultKind::out_of_memory:
      return "out of memory";
    case FaultKind::log_flood:
      return "log flood";
    case FaultKind::qemu_died:
      return "QEMU died";
  }
  return "unknown fault";
}

}  // namespace zcl::vm
