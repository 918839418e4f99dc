// SPDX-License-Identifier: MIT
// The code of loaded modules, found by the host in guest memory: for a CPU that can no longer say
// where it is.
#pragma once

#include <optional>

#include "harness/vm/guest_fault.hh"
#include "harness/vm/kernel_view.hh"
#include "harness/vm/machine.hh"

namespace zcl::vm {

/// The function of a loaded module that holds the instruction at `address`, a module whose init
/// function still runs included; nothing where no module's symbol table has one. The guest's
/// tables may be garbage: what is read of them is bounded, and names are cut.
/// Source: include/linux/module.h, struct module and struct mod_kallsyms.
std::optional<TraceFrame> module_frame(const KernelView& kernel, VirtualAddress address);

/// Where a CPU is in a module's code: the instruction itself or, when that is the kernel's, the
/// nearest word on its stack that looks like a return address into a module. Such a word may be
/// left over from an earlier call: TraceFrame::reliable says so.
std::optional<TraceFrame> innermost_module_frame(const KernelView& kernel,
                                                 const CpuRegisters& registers);

}  // namespace zcl::vm
