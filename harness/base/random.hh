// SPDX-License-Identifier: MIT
// Reproducible random bytes: everything random in a run derives from one seed.
#pragma once

#include <cstdint>
#include <random>
#include <string_view>

#include "harness/base/file_descriptor.hh"

namespace zcl::base {

/// A stream of random values derived from (seed, purpose). Two purposes never share a stream, so
/// adding a consumer does not shift the values of another.
class RandomStream {
 public:
  RandomStream(std::uint64_t seed, std::string_view purpose);
  std::uint64_t next() { return engine_(); }
  /// Uniform in [0, bound); bound > 0.
  std::uint64_t below(std::uint64_t bound);
  Bytes bytes(std::size_t count);

 private:
  std::mt19937_64 engine_;
};

}  // namespace zcl::base
