// SPDX-License-Identifier: MIT
#include "harness/xray/search.hh"

#include <algorithm>
#include <cstring>
#include <numeric>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

#ifdef __x86_64__
#include <immintrin.h>
#endif

namespace zcl::xray {
namespace {

/// With several passes: bytes searched by all of them before the next.
constexpr std::size_t kCacheBlock = 16U << 10;

/// How common a byte value is in a guest's memory.
int commonness(std::uint8_t byte) {
  if (byte == 0x00) return 3;  // empty pages
  if (byte == 0xff) return 2;  // kernel pointers, small negative numbers
  return byte < 0x80 ? 1 : 0;  // text
}

/// The two rarest bytes among those offsets at which all needles agree; nothing where there are not
/// two. Different values are preferred: a page filled with one byte then has no candidate.
std::optional<Anchors> common_anchors(const std::vector<base::Bytes>& needles) {
  std::vector<std::size_t> shared;
  const base::Bytes& model = needles.front();
  for (std::size_t i = 0; i < model.size(); ++i) {
    if (std::all_of(needles.begin(), needles.end(),
                    [&](const base::Bytes& needle) { return needle[i] == model[i]; })) {
      shared.push_back(i);
    }
  }
  if (shared.size() < 2) return std::nullopt;
  std::stable_sort(shared.begin(), shared.end(), [&](std::size_t a, std::size_t b) {
    return commonness(model[a]) < commonness(model[b]);
  });
  const std::size_t first = shared[0];
  const auto other = std::find_if(shared.begin() + 1, shared.end(),
                                  [&](std::size_t i) { return model[i] != model[first]; });
  const std::size_t second = other == shared.end() ? shared[1] : *other;
  return Anchors{first, second, model[first], model[second]};
}

#ifdef __x86_64__
constexpr std::size_t kVector = 32;
constexpr std::size_t kUnroll = 4;
constexpr std::size_t kVectorBlock = kVector * kUnroll;

__attribute__((target("avx2"))) inline __m256i load(const std::uint8_t* at) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(at));
}

/// Per byte position of 32: all ones where both anchors stand.
__attribute__((target("avx2"))) inline __m256i candidates(const std::uint8_t* at,
                                                          const Anchors& anchors, __m256i first,
                                                          __m256i second) {
  return _mm256_and_si256(_mm256_cmpeq_epi8(load(at + anchors.first), first),
                          _mm256_cmpeq_epi8(load(at + anchors.second), second));
}

/// Calls `candidate(offset)` for each position of whole blocks where both anchors stand. Returns
/// the offset at which the blocks end.
template <typename Candidate>
__attribute__((target("avx2"))) std::size_t scan_blocks(base::ByteView haystack,
                                                        std::size_t needle_length,
                                                        const Anchors& anchors,
                                                        const Candidate& candidate) {
  // The last position of a block reads a whole needle.
  if (haystack.size() < kVectorBlock + needle_length) return 0;
  const std::size_t last = haystack.size() - kVectorBlock - needle_length;
  const __m256i first = _mm256_set1_epi8(static_cast<char>(anchors.first_value));
  const __m256i second = _mm256_set1_epi8(static_cast<char>(anchors.second_value));
  std::size_t offset = 0;
  for (; offset <= last; offset += kVectorBlock) {
    const std::uint8_t* at = haystack.data() + offset;
    const __m256i hits[kUnroll] = {candidates(at, anchors, first, second),
                                   candidates(at + kVector, anchors, first, second),
                                   candidates(at + 2 * kVector, anchors, first, second),
                                   candidates(at + 3 * kVector, anchors, first, second)};
    const __m256i any =
        _mm256_or_si256(_mm256_or_si256(hits[0], hits[1]), _mm256_or_si256(hits[2], hits[3]));
    if (_mm256_testz_si256(any, any) != 0) [[likely]] {
      continue;
    }
    for (std::size_t i = 0; i < kUnroll; ++i) {
      auto mask = static_cast<std::uint32_t>(_mm256_movemask_epi8(hits[i]));
      for (; mask != 0; mask &= mask - 1) {
        candidate(offset + i * kVector + static_cast<std::size_t>(__builtin_ctz(mask)));
      }
    }
  }
  return offset;
}

bool processor_has_avx2() {
  static const bool has = __builtin_cpu_supports("avx2") != 0;
  return has;
}
#else
bool processor_has_avx2() {
  return false;
}
#endif

}  // namespace

Searcher::Searcher(std::vector<base::Bytes> needles, Method method)
    : needles_(std::move(needles)), vectorised_(method == Method::fastest && processor_has_avx2()) {
  if (needles_.empty()) throw std::invalid_argument("a search needs something to look for");
  for (const base::Bytes& needle : needles_) {
    if (needle.size() < kShortestNeedle || needle.size() != needles_.front().size()) {
      throw std::invalid_argument("a search needs needles of one length, at least " +
                                  std::to_string(kShortestNeedle) + " bytes");
    }
  }
  if (const auto anchors = common_anchors(needles_)) {
    std::vector<std::size_t> all(needles_.size());
    std::iota(all.begin(), all.end(), 0U);
    passes_.push_back({*anchors, std::move(all)});
    return;
  }
  for (std::size_t i = 0; i < needles_.size(); ++i) {
    passes_.push_back({common_anchors({needles_[i]}).value(), {i}});
  }
}

void Searcher::compare(const Pass& pass, base::ByteView haystack, std::size_t offset,
                       std::vector<Found>& found) const {
  for (const std::size_t i : pass.needles) {
    if (std::memcmp(haystack.data() + offset, needles_[i].data(), needle_length()) == 0) {
      found.push_back({offset, i});
    }
  }
}

std::size_t Searcher::search_blocks(const Pass& pass, base::ByteView haystack,
                                    std::vector<Found>& found) const {
#ifdef __x86_64__
  if (vectorised_) {
    return scan_blocks(haystack, needle_length(), pass.anchors,
                       [&](std::size_t offset) { compare(pass, haystack, offset, found); });
  }
#endif
  return 0;
}

void Searcher::search_pass(const Pass& pass, base::ByteView haystack,
                           std::vector<Found>& found) const {
  if (haystack.size() < needle_length()) return;
  const std::size_t last = haystack.size() - needle_length();
  const Anchors& anchors = pass.anchors;
  for (std::size_t offset = search_blocks(pass, haystack, found); offset <= last; ++offset) {
    const std::uint8_t* start = haystack.data() + offset + anchors.first;
    const void* hit = std::memchr(start, anchors.first_value, last - offset + 1);
    if (hit == nullptr) return;
    offset += static_cast<std::size_t>(static_cast<const std::uint8_t*>(hit) - start);
    if (haystack[offset + anchors.second] == anchors.second_value) {
      compare(pass, haystack, offset, found);
    }
  }
}

void Searcher::search(base::ByteView haystack, std::vector<Found>& found) const {
  if (passes() == 1) return search_pass(passes_.front(), haystack, found);
  for (std::size_t block = 0; block < haystack.size(); block += kCacheBlock) {
    // An occurrence may start in this block and end in the next.
    const std::size_t length = std::min(kCacheBlock + needle_length() - 1, haystack.size() - block);
    const std::size_t before = found.size();
    for (const Pass& pass : passes_) search_pass(pass, haystack.subspan(block, length), found);
    for (std::size_t i = before; i < found.size(); ++i) found[i].offset += block;
  }
}

std::vector<std::size_t> find_all(base::ByteView haystack, base::ByteView needle) {
  std::vector<Found> found;
  Searcher({base::Bytes(needle.begin(), needle.end())}).search(haystack, found);
  std::vector<std::size_t> offsets;
  offsets.reserve(found.size());
  for (const Found& one : found) offsets.push_back(one.offset);
  std::sort(offsets.begin(), offsets.end());
  return offsets;
}

}  // namespace zcl::xray
