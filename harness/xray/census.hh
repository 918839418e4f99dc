// SPDX-License-Identifier: MIT
// The census: every place of a payload in guest RAM, found by the host alone.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "harness/base/random.hh"
#include "harness/vm/guest_memory.hh"

namespace zcl::xray {

/// Which part of a payload a mark belongs to. A place with a head and no tail is a partial copy.
enum class Mark { head, middle, tail };

inline constexpr std::size_t kMarkBytes = 16;
/// Shortest payload that carries three marks that do not overlap.
inline constexpr std::size_t kShortestPayload = 3 * kMarkBytes;

/// Random bytes that stand nowhere else. Fresh for each run: a constant would also be found in the
/// image of the module or program that holds it.
class Payload {
 public:
  /// `length` >= kShortestPayload. Throws std::invalid_argument.
  Payload(base::RandomStream& random, std::size_t length);
  /// A payload that already exists, e.g. sent by somebody else.
  explicit Payload(base::Bytes bytes);

  [[nodiscard]] const base::Bytes& bytes() const { return bytes_; }
  [[nodiscard]] base::ByteView mark(Mark mark) const;
  [[nodiscard]] std::size_t mark_offset(Mark mark) const;

 private:
  base::Bytes bytes_;
};

/// One place where payload bytes stand.
struct Place {
  vm::PhysicalAddress address = 0;  ///< of the payload's first byte, as the found mark implies
  bool head = false;
  bool middle = false;
  bool tail = false;
  /// All bytes between the marks compared equal, so a copy of the whole payload in one piece.
  bool complete = false;
  std::string name;  ///< who owns the page (naming.hh); empty until named
};

struct Census {
  std::vector<Place> places;  ///< rising address
  /// Copies of the payload: the largest number of places of any one mark (a copy over two pages
  /// that are not neighbours is found as two places with different marks).
  [[nodiscard]] std::size_t copies() const;
  std::uint64_t bytes_searched = 0;
};

/// Searches all populated RAM. The machine should be paused. Uses every core of the host.
Census take_census(const vm::GuestMemory& memory, const Payload& payload);

/// All addresses of `needle` (at least 8 bytes) in `haystack`, rising. The kernel of the census,
/// exposed for its benchmark and its tests.
std::vector<std::size_t> find_all(base::ByteView haystack, base::ByteView needle);

}  // namespace zcl::xray
