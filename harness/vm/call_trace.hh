// SPDX-License-Identifier: MIT
// Call traces as the kernel prints them, and the source lines of their frames.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "harness/vm/guest_fault.hh"

namespace zcl::vm {

/// The first call trace in `report` (console text from the line that begins a report), innermost
/// frame first: the faulting instruction ("RIP:" in kernel code) where one is printed, then the
/// callers. In a trace of an NMI the handler's own frames are left out. Empty where there is none.
/// Source: arch/x86/kernel/dumpstack.c, show_trace_log_lvl() and show_ip().
std::vector<TraceFrame> parse_call_trace(std::string_view report);

/// Module name (underscores) to the unstripped .ko that was loaded.
using ModuleObjects = std::map<std::string, std::filesystem::path>;

/// Fills in `location` ("driver.c:42") for each frame in one of `objects`, from its DWARF. Of code
/// inlined from a header the line in the .c file that called it. A frame that cannot be resolved
/// keeps an empty location; never throws for what the guest printed.
void resolve_locations(std::vector<TraceFrame>& trace, const ModuleObjects& objects);

/// "e1000_open+0x10 [my_e1000] (driver.c:42)", one frame a line.
std::string to_string(const std::vector<TraceFrame>& trace);

}  // namespace zcl::vm
