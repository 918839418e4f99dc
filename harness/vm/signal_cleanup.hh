// SPDX-License-Identifier: MIT
// Ending on a signal with no machine left behind.
#pragma once

#include <sys/types.h>

namespace zcl::vm {

/// Makes every catchable signal that ends a process (SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGABRT…)
/// first end all machines of this process and wait until they are gone, then act as it would have.
/// Guest memory has no name in the file system, so it goes with them. Signals that are ignored
/// stay ignored (nohup). Called once, at the start of main().
///
/// Without it, and after SIGKILL, machines still die: the kernel kills them with us
/// (PR_SET_PDEATHSIG), a moment later.
void clean_up_on_signals();

/// Registers a child for clean_up_on_signals(). Used by ChildProcess.
void remember_child(pid_t child);
void forget_child(pid_t child);

}  // namespace zcl::vm
