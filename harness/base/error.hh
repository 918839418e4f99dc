// SPDX-License-Identifier: MIT
// The errors of the harness, each carrying the exit status that `zcl` ends with.
#pragma once

#include <stdexcept>
#include <string>
#include <utility>

namespace zcl {

/// Exit status of `zcl` (part of the command contract).
enum class ExitStatus : int {
  passed = 0,        ///< every check passed
  check_failed = 1,  ///< at least one check failed
  usage = 2,         ///< the command line or an input file is wrong
  environment = 3,   ///< something the harness needs is missing, full or broken
};

/// Base of all errors that end a command. The message is one or two sentences for the person at the
/// terminal: what is wrong, and what to do about it.
class Error : public std::runtime_error {
 public:
  Error(ExitStatus status, const std::string& message)
      : std::runtime_error(message), status_(status) {}
  [[nodiscard]] ExitStatus status() const { return status_; }

 private:
  ExitStatus status_;
};

/// The user asked for something that does not exist or cannot be understood.
class UsageError : public Error {
 public:
  explicit UsageError(const std::string& message) : Error(ExitStatus::usage, message) {}
};

/// The environment (QEMU, kernel package, /dev/shm, permissions) cannot do what was asked.
class EnvironmentError : public Error {
 public:
  explicit EnvironmentError(const std::string& message) : Error(ExitStatus::environment, message) {}
};

}  // namespace zcl
