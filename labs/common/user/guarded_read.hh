// SPDX-License-Identifier: MIT
// Reading memory that may not be there: a SIGBUS or SIGSEGV becomes an exception.
#pragma once

#include <csetjmp>
#include <csignal>
#include <cstdint>
#include <stdexcept>
#include <string>

#include "system_call.hh"

namespace zcl::user {

class MemorySignal : public std::runtime_error {
 public:
  explicit MemorySignal(int signal) : std::runtime_error(signal == SIGBUS ? "SIGBUS" : "SIGSEGV") {}
};

namespace detail {
inline thread_local sigjmp_buf before_read;
inline void return_to_reader(int signal) {
  siglongjmp(before_read, signal);
}
}  // namespace detail

/// Makes guarded_call() work. Once a program.
inline void install_memory_signals() {
  struct sigaction action {};
  action.sa_handler = detail::return_to_reader;
  for (const int signal : {SIGBUS, SIGSEGV}) {
    check("sigaction", ::sigaction(signal, &action, nullptr));
  }
}

/// Calls `body`, which reads memory and owns nothing (no destructor runs on a signal). Throws
/// MemorySignal.
template <typename Body>
void guarded_call(Body&& body) {
  // 1: restore the signal mask, or the second signal would kill the program.
  const int signal = sigsetjmp(detail::before_read, 1);
  if (signal != 0) throw MemorySignal(signal);
  body();
}

/// Sum of the 64-bit words of [from, from + bytes); every byte is read exactly once.
inline std::uint64_t sum_words(const std::uint8_t* from, std::size_t bytes) {
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i + 8 <= bytes; i += 8) {
    sum += *reinterpret_cast<const volatile std::uint64_t*>(from + i);
  }
  return sum;
}

}  // namespace zcl::user
