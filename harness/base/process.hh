// SPDX-License-Identifier: MIT
// Running a program of the host to its end.
#pragma once

#include <chrono>
#include <map>
#include <string>
#include <vector>

namespace zcl::base {

struct Command {
  std::vector<std::string> argv;                   ///< argv[0] is looked up in PATH
  std::map<std::string, std::string> environment;  ///< added to, or replacing, our own
  std::string directory;                           ///< empty: ours
  std::string input;                               ///< standard input, then end of file
  std::chrono::seconds time_limit{600};            ///< then the whole process group is killed
  std::size_t output_limit = 16U << 20;  ///< bytes kept of each stream; the rest is dropped
};

struct CommandResult {
  int exit_status = -1;  ///< valid when signal == 0
  int signal = 0;        ///< the signal that ended it
  bool timed_out = false;
  std::string output;  ///< standard output
  std::string error;   ///< standard error
  [[nodiscard]] bool ok() const { return exit_status == 0 && signal == 0 && !timed_out; }
};

/// Runs `command` in its own process group. Never uses a shell. Throws std::system_error only when
/// the program cannot be started. The child dies with us (PR_SET_PDEATHSIG).
CommandResult run_command(const Command& command);

}  // namespace zcl::base
