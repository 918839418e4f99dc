// SPDX-License-Identifier: MIT
// The packets of the receive measurements, and what every receiver does with each: it adds up the
// first 64 bytes, as eight 64-bit words in the machine's byte order.
//
//   offset  bytes
//   0       14     Ethernet: broadcast, a local source, ethertype
//   14      28     plain: content.  udp: IPv4 and UDP, to an address that the guest does not have
//   42      6      content
//   48      8      sequence number, from 0
//   56      8      balance: makes the sum of the first 64 bytes kSum
//   64      ...    content
//
// Plain ones have an ethertype that no protocol of the guest's kernel takes. UDP ones are looked at
// by its network stack too, after packet sockets have seen them, and dropped there.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "flow_frame.hh"

namespace zcl::rx {

constexpr std::size_t kSummedBytes = 64;
constexpr std::size_t kLargestFrame = 1514;
constexpr std::size_t kHeaderBytes = 42;
constexpr std::size_t kSequenceOffset = 48;
constexpr std::size_t kBalanceOffset = 56;
constexpr std::uint64_t kSum = 0x5a65726f436f7079;

inline std::uint64_t load(const std::uint8_t* at) {
  std::uint64_t word;
  std::memcpy(&word, at, sizeof word);
  return word;
}

inline void store(std::uint8_t* at, std::uint64_t word) {
  std::memcpy(at, &word, sizeof word);
}

inline std::uint64_t sum_of(const std::uint8_t* frame) {
  std::uint64_t sum = 0;
#pragma GCC unroll 8
  for (std::size_t at = 0; at < kSummedBytes; at += sizeof sum) sum += load(frame + at);
  return sum;
}

enum class FrameKind { plain, udp };

/// IPv4 (RFC 791) and UDP without a checksum (RFC 768), from 10.0.0.2 to 10.0.0.1.
inline void write_udp_header(std::uint8_t* frame, std::size_t length) {
  constexpr std::size_t kIp = 14;
  constexpr std::size_t kUdp = 34;
  constexpr std::uint8_t kIpHeader[kUdp - kIp] = {0x45, 0, 0,  0, 0, 0, 0x40, 0, 64, 17,
                                                  0,    0, 10, 0, 0, 2, 10,   0, 0,  1};
  constexpr std::uint8_t kPorts[kHeaderBytes - kUdp] = {0x30, 0, 0x40, 0};
  const auto put = [&](std::size_t at, std::size_t value) {
    frame[at] = static_cast<std::uint8_t>(value >> 8);
    frame[at + 1] = static_cast<std::uint8_t>(value);
  };
  std::memcpy(frame + kIp, kIpHeader, sizeof kIpHeader);
  std::memcpy(frame + kUdp, kPorts, sizeof kPorts);
  put(12, 0x0800);
  put(kIp + 2, length - kIp);
  put(kUdp + 4, length - kUdp);
  std::size_t sum = 0;
  for (std::size_t at = kIp; at < kUdp; at += 2)
    sum += frame[at] * std::size_t{256} + frame[at + 1];
  put(kIp + 10, ~(sum + (sum >> 16)) & 0xffff);
}

/// `length`: kSummedBytes to kLargestFrame.
inline void write_frame(std::uint8_t* frame, std::size_t length, FrameKind kind,
                        std::uint64_t sequence) {
  constexpr std::uint8_t kEthernet[] = {0xff,
                                        0xff,
                                        0xff,
                                        0xff,
                                        0xff,
                                        0xff,
                                        2,
                                        0,
                                        0,
                                        0,
                                        0,
                                        9,
                                        flow::kEthertype >> 8,
                                        flow::kEthertype & 0xff};
  std::memcpy(frame, kEthernet, sizeof kEthernet);
  flow::fill_content(frame + sizeof kEthernet, length - sizeof kEthernet, 1, 0, sequence);
  if (kind == FrameKind::udp) write_udp_header(frame, length);
  store(frame + kSequenceOffset, sequence);
  store(frame + kBalanceOffset, 0);
  store(frame + kBalanceOffset, kSum - sum_of(frame));
}

/// Another sequence number for a written frame.
inline void renumber(std::uint8_t* frame, std::uint64_t sequence) {
  const std::uint64_t grown = sequence - load(frame + kSequenceOffset);
  store(frame + kSequenceOffset, sequence);
  store(frame + kBalanceOffset, load(frame + kBalanceOffset) - grown);
}

/// Takes packets, adds each up, and keeps account of them.
class Account {
 public:
  explicit Account(std::size_t frame_bytes) : frame_bytes_(frame_bytes) {}

  /// The only thing that a receiver does with a packet's content. `length` without the Ethernet
  /// checksum.
  void take(const std::uint8_t* frame, std::size_t length) {
    if (length != frame_bytes_) [[unlikely]] {
      ++wrong_;
      return;
    }
    const std::uint64_t sequence = load(frame + kSequenceOffset);
    if (sum_of(frame) != kSum || sequence < next_) [[unlikely]]
      ++wrong_;
    next_ = sequence + 1;
    ++taken_;
  }

  [[nodiscard]] std::uint64_t taken() const { return taken_; }
  /// Packets of another length or with a wrong sum, copies of earlier ones, overtaken ones.
  [[nodiscard]] std::uint64_t wrong() const { return wrong_; }

 private:
  std::uint64_t frame_bytes_;
  std::uint64_t next_ = 0;
  std::uint64_t taken_ = 0;
  std::uint64_t wrong_ = 0;
};

}  // namespace zcl::rx
