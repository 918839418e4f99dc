// SPDX-License-Identifier: MIT
// The census: every place of a payload in guest RAM, found by the host alone.
//
// What it does not see: bytes that were changed on the way (encrypted, byte-swapped), copies in
// device memory, and reading without storing (a checksum makes no copy).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "harness/base/random.hh"
#include "harness/vm/guest_memory.hh"
#include "harness/xray/search.hh"

namespace zcl::xray {

/// Which part of a payload a mark belongs to. A place with a head and no tail is a partial copy.
enum class Mark { head, middle, tail };

inline constexpr std::size_t kMarkBytes = 16;
/// Shortest payload that carries three marks that do not overlap.
inline constexpr std::size_t kShortestPayload = 3 * kMarkBytes;
/// Between head, middle and tail a payload of our own carries a further mark wherever there is a
/// gap of this many bytes, so that a frame that a NIC splits over buffers is found piece by piece.
inline constexpr std::size_t kMarkSpacing = 256;

/// Random bytes that stand nowhere else. Fresh for each run: a constant would also be found in the
/// image of the module or program that holds it.
class Payload {
 public:
  /// `length` >= kShortestPayload. Throws std::invalid_argument. The marks share two random bytes
  /// in their middle, so that one pass over memory finds all of them.
  Payload(base::RandomStream& random, std::size_t length);
  /// A payload that already exists, e.g. sent by somebody else; it has the three marks only. Throws
  /// std::invalid_argument when it is too short, or a mark is one byte repeated (which would be
  /// found all over the place).
  explicit Payload(base::Bytes bytes);

  [[nodiscard]] const base::Bytes& bytes() const { return bytes_; }
  [[nodiscard]] base::ByteView mark(Mark mark) const;
  [[nodiscard]] std::size_t mark_offset(Mark mark) const;
  /// Where all marks begin, rising; head, middle and tail are among them.
  [[nodiscard]] const std::vector<std::size_t>& mark_offsets() const { return mark_offsets_; }

 private:
  base::Bytes bytes_;
  std::vector<std::size_t> mark_offsets_;
};

/// What sort of memory a place is in (naming.hh); for the picture and for the reader.
enum class PlaceKind {
  unknown,
  nic_buffer,  ///< a buffer that a NIC's descriptor points at
  packet,      ///< packet data of the kernel's network code
  kernel,
  slab,
  page_cache,
  user,    ///< memory of a process
  shared,  ///< kernel or device memory that a process maps
  reserved,
  free,  ///< freed: a stale copy
};
std::string to_string(PlaceKind kind);

/// One place where payload bytes stand, in one piece of physical memory.
struct Place {
  vm::PhysicalAddress address = 0;  ///< of the payload's first byte, as the found mark implies
  bool head = false;
  bool middle = false;
  bool tail = false;
  /// The whole payload stands here in one piece.
  bool complete = false;
  PlaceKind kind = PlaceKind::unknown;
  std::string name;  ///< who owns the page (naming.hh); empty until named

  /// The payload's bytes [begin, end) stand here. A copy over two pages that are not neighbours is
  /// two places, one ending where the other begins.
  std::size_t begin = 0;
  std::size_t end = 0;
  /// Where the first of those bytes stands: unlike `address`, always RAM that holds the payload.
  [[nodiscard]] vm::PhysicalAddress first_byte() const { return address + begin; }
  [[nodiscard]] std::size_t length() const { return end - begin; }
};

struct Census {
  std::vector<Place> places;  ///< rising address of their first byte
  /// Copies of the payload: the largest number of places that hold the same part of it. The pieces
  /// of one copy over several pages count once.
  [[nodiscard]] std::size_t copies() const;
  std::uint64_t bytes_searched = 0;
  /// More than kMostPlaces were found; the rest is not listed.
  bool truncated = false;
};

/// Places a census lists at most: a guest can fill its memory with the payload.
inline constexpr std::size_t kMostPlaces = 4096;

/// Searches all populated RAM. The machine should be paused. Uses every core of the host, or
/// `threads` of them.
Census take_census(const vm::GuestMemory& memory, const Payload& payload, unsigned threads = 0);

}  // namespace zcl::xray
