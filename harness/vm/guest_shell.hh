// SPDX-License-Identifier: MIT
// A terminal on a running machine.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "harness/vm/machine.hh"

namespace zcl::vm {

/// The two ends of a terminal session on the host.
struct TerminalEnds {
  int input = 0;
  int output = 1;
};

/// Runs `argv` on a pseudo-terminal of the guest and relays it until it ends or Ctrl-] is typed.
/// Where `ends.input` is a terminal it is put into raw mode meanwhile, and changes of its size are
/// passed on. Returns the exit status (128 + the signal that ended it; 0 after Ctrl-]). Throws
/// GuestFault, GuestError.
int relay_terminal(AgentConnection& connection, const std::vector<std::string>& argv,
                   const TerminalEnds& ends);

/// An interactive shell in the guest: BusyBox of the host (package busybox-static), carried there
/// only for this. `greeting` is printed first. The machine's Deadlines::total bounds the session.
/// Throws EnvironmentError when there is no static BusyBox, GuestFault when the guest fails.
int run_shell(Machine& machine, const std::string& greeting = {}, const TerminalEnds& ends = {});

}  // namespace zcl::vm
