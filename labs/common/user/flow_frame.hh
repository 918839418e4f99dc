// SPDX-License-Identifier: MIT
// The format of a flow frame: numbered, checksummed, its content derived from a seed. One source
// for the harness (which sends and accounts) and for programs in the guest (which may verify).
//
// At the head of the Ethernet or UDP payload, big-endian:
//
//   offset  bytes
//   0       4      magic "ZCLF"
//   4       4      flow number
//   8       8      sequence number, from 0
//   16      4      length of header and content, bytes
//   20      4      checksum over header (this field 0) and content
//   24      ...    content
//
// Ethernet padding may follow; the length tells where the content ends.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace zcl::flow {

constexpr std::uint32_t kMagic = 0x5a434c46;
constexpr std::size_t kHeaderBytes = 24;
constexpr std::size_t kChecksumOffset = 20;
/// IEEE 802 local experimental ethertype 1: no protocol of the guest's kernel answers it.
constexpr std::uint16_t kEthertype = 0x88b5;

struct Header {
  std::uint32_t magic = kMagic;
  std::uint32_t flow = 0;
  std::uint64_t sequence = 0;
  std::uint32_t length = 0;
  std::uint32_t checksum = 0;
};

inline std::uint32_t load_be32(const std::uint8_t* at) {
  return std::uint32_t{at[0]} << 24 | std::uint32_t{at[1]} << 16 | std::uint32_t{at[2]} << 8 |
         std::uint32_t{at[3]};
}

inline void store_be32(std::uint8_t* at, std::uint32_t value) {
  at[0] = static_cast<std::uint8_t>(value >> 24);
  at[1] = static_cast<std::uint8_t>(value >> 16);
  at[2] = static_cast<std::uint8_t>(value >> 8);
  at[3] = static_cast<std::uint8_t>(value);
}

/// Fletcher-like sums over 32-bit words in 64 bits, folded: sensitive to order, cheap in a guest.
/// The checksum field itself counts as 0.
inline std::uint32_t checksum(const std::uint8_t* payload, std::size_t length) {
  std::uint64_t sum = 1;
  std::uint64_t sum_of_sums = length;
  for (std::size_t at = 0; at < length; at += 4) {
    std::uint8_t word[4] = {};
    std::memcpy(word, payload + at, length - at < 4 ? length - at : 4);
    sum += at == kChecksumOffset ? 0 : load_be32(word);
    sum_of_sums += sum;
  }
  sum = (sum & 0xffffffff) + (sum >> 32);
  sum_of_sums = (sum_of_sums & 0xffffffff) + (sum_of_sums >> 32);
  return static_cast<std::uint32_t>(sum ^ (sum_of_sums << 7 | sum_of_sums >> 25));
}

/// `length` bytes of content: splitmix64 (Steele, Lea, Flood 2014) of seed, flow and sequence.
inline void fill_content(std::uint8_t* content, std::size_t length, std::uint64_t seed,
                         std::uint32_t flow, std::uint64_t sequence) {
  constexpr std::uint64_t kGamma = 0x9e3779b97f4a7c15;
  std::uint64_t state = seed ^ (std::uint64_t{flow} << 40) ^ (sequence * 0xd1342543de82ef95);
  for (std::size_t at = 0; at < length; at += 8) {
    std::uint64_t mixed = state += kGamma;
    mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9;
    mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111eb;
    mixed ^= mixed >> 31;
    std::memcpy(content + at, &mixed, length - at < 8 ? length - at : 8);
  }
}

/// Writes a whole payload of `length` >= kHeaderBytes bytes.
inline void write_payload(std::uint8_t* payload, std::size_t length, std::uint64_t seed,
                          std::uint32_t flow, std::uint64_t sequence) {
  store_be32(payload, kMagic);
  store_be32(payload + 4, flow);
  store_be32(payload + 8, static_cast<std::uint32_t>(sequence >> 32));
  store_be32(payload + 12, static_cast<std::uint32_t>(sequence));
  store_be32(payload + 16, static_cast<std::uint32_t>(length));
  fill_content(payload + kHeaderBytes, length - kHeaderBytes, seed, flow, sequence);
  store_be32(payload + kChecksumOffset, checksum(payload, length));
}

/// Reads a header; false where `available` bytes hold none, or its length goes beyond them.
inline bool read_header(const std::uint8_t* payload, std::size_t available, Header& header) {
  if (available < kHeaderBytes || load_be32(payload) != kMagic) return false;
  header.flow = load_be32(payload + 4);
  header.sequence = std::uint64_t{load_be32(payload + 8)} << 32 | load_be32(payload + 12);
  header.length = load_be32(payload + 16);
  header.checksum = load_be32(payload + kChecksumOffset);
  return header.length >= kHeaderBytes && header.length <= available;
}

}  // namespace zcl::flow
