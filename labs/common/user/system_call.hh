// SPDX-License-Identifier: MIT
// A named check around system calls, for the labs' user programs.
#pragma once

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <system_error>

namespace zcl::user {

/// Throws std::system_error for the current errno; what() begins with `call`.
[[noreturn]] inline void throw_errno(const std::string& call) {
  throw std::system_error(errno, std::generic_category(), call);
}

/// Returns `result`, or throws std::system_error naming `call` when it is negative.
template <typename Integer>
Integer check(const char* call, Integer result) {
  if (result < 0) [[unlikely]] {
    throw_errno(call);
  }
  return result;
}

/// Runs `body`, which returns an exit status. An exception becomes a line on standard error that
/// starts with the program's name, and status 1.
template <typename Body>
int run_program(const char* program, Body&& body) {
  try {
    return body();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s: %s\n", program, error.what());
    return EXIT_FAILURE;
  }
}

}  // namespace zcl::user
