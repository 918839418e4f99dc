// SPDX-License-Identifier: MIT
// The kernel of the census: all occurrences of a few byte strings in a lot of memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "harness/base/file_descriptor.hh"

namespace zcl::xray {

inline constexpr std::size_t kShortestNeedle = 8;

/// Two bytes that are looked for first; a needle is compared only where both stand. Guest memory is
/// mostly zeros, pointers and text, so the rarest two bytes are taken.
struct Anchors {
  std::size_t first = 0;  ///< offsets into a needle
  std::size_t second = 0;
  std::uint8_t first_value = 0;
  std::uint8_t second_value = 0;
};

/// One occurrence.
struct Found {
  std::size_t offset = 0;  ///< into the memory searched
  std::size_t needle = 0;  ///< index of the needle
  friend bool operator==(const Found&, const Found&) = default;
};

/// Searches for several needles of one length. Where all of them have the same byte values at two
/// offsets, one pass over the memory finds them all; otherwise each takes a pass of its own, over
/// blocks that stay in the nearest cache. Uses AVX2 where the processor has it.
class Searcher {
 public:
  enum class Method { fastest, portable };

  /// Throws std::invalid_argument for no needle, one shorter than kShortestNeedle, or different
  /// lengths.
  explicit Searcher(std::vector<base::Bytes> needles, Method method = Method::fastest);

  /// Appends to `found` every occurrence that starts in `haystack` and ends in it; they may
  /// overlap. Order: not defined.
  void search(base::ByteView haystack, std::vector<Found>& found) const;

  /// Passes over the memory that a search takes.
  [[nodiscard]] std::size_t passes() const { return passes_.size(); }
  [[nodiscard]] std::size_t needle_length() const { return needles_.front().size(); }

 private:
  struct Pass {
    Anchors anchors;
    std::vector<std::size_t> needles;
  };
  void search_pass(const Pass& pass, base::ByteView haystack, std::vector<Found>& found) const;
  std::size_t search_blocks(const Pass& pass, base::ByteView haystack,
                            std::vector<Found>& found) const;
  void compare(const Pass& pass, base::ByteView haystack, std::size_t offset,
               std::vector<Found>& found) const;

  std::vector<base::Bytes> needles_;
  std::vector<Pass> passes_;
  bool vectorised_;
};

/// All offsets of one needle, rising.
std::vector<std::size_t> find_all(base::ByteView haystack, base::ByteView needle);

}  // namespace zcl::xray
