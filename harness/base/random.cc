// SPDX-License-Identifier: MIT
#include "harness/base/random.hh"

namespace zcl::base {

namespace {

/// FNV-1a, 64 bit: stable across platforms and library versions, unlike std::hash.
std::uint64_t stable_hash(std::string_view text) {
  std::uint64_t hash = 0xcbf29ce484222325U;
  for (const char character : text) {
    hash = (hash ^ static_cast<std::uint8_t>(character)) * 0x100000001b3U;
  }
  return hash;
}

}  // namespace

RandomStream::RandomStream(std::uint64_t seed, std::string_view purpose)
    : engine_(seed ^ stable_hash(purpose)) {}

std::uint64_t RandomStream::below(std::uint64_t bound) {
  // std::uniform_int_distribution may differ between libraries; rejection sampling does not.
  const std::uint64_t limit = UINT64_MAX - UINT64_MAX % bound;
  std::uint64_t value = next();
  while (value >= limit) value = next();
  return value % bound;
}

Bytes RandomStream::bytes(std::size_t count) {
  Bytes result(count);
  for (std::size_t at = 0; at < count; at += 8) {
    std::uint64_t word = next();
    for (std::size_t i = at; i < std::min(at + 8, count); ++i, word >>= 8) {
      result[i] = static_cast<std::uint8_t>(word);
    }
  }
  return result;
}

}  // namespace zcl::base
