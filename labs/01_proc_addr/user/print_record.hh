// SPDX-License-Identifier: MIT
// The article's output: `1:data1dfadfaserty[size = 16]`.
#pragma once

#include <algorithm>
#include <cstdio>
#include <span>
#include <string>

namespace zcl::user {

/// Bytes that are all printable stand as they are, others in hexadecimal. No copy of the bytes
/// themselves is made that a census would find.
inline void print_record(unsigned long long number, std::span<const std::byte> data) {
  const bool printable = std::ranges::all_of(
      data, [](std::byte byte) { return byte >= std::byte{0x20} && byte < std::byte{0x7f}; });
  std::printf("%llu:", number);
  for (const std::byte byte : data) {
    std::printf(printable ? "%c" : "%02x", static_cast<unsigned>(byte));
  }
  std::printf("[size = %zu]\n", data.size());
}

/// Loads every byte and keeps none.
inline void look_at(std::span<const std::byte> data) {
  unsigned sum = 0;
  for (const std::byte byte : data) sum += static_cast<unsigned>(byte);
  [[maybe_unused]] volatile unsigned seen = sum;
}

/// Stays, with everything that is mapped, until standard input ends.
inline void hold_until_end_of_input() {
  std::fflush(stdout);
  while (std::getchar() != EOF) {
  }
}

}  // namespace zcl::user
