// SPDX-License-Identifier: MIT
// Ethernet frames and the headers that the harness builds.
#pragma once

#include <array>
#include <cstdint>

#include "harness/base/file_descriptor.hh"

namespace zcl::wire {

using MacAddress = std::array<std::uint8_t, 6>;

constexpr std::size_t kEthernetHeader = 14;
constexpr std::size_t kMinimumFrame = 60;     ///< without the checksum
constexpr std::size_t kLargestFrame = 69632;  ///< what QEMU's NICs and netdevs pass (NET_BUFSIZE)

/// An Ethernet frame without its checksum.
struct Frame {
  base::Bytes bytes;
};

/// Builds an Ethernet II frame; the payload is padded with zeros to 60 bytes in all.
Frame make_frame(const MacAddress& destination, const MacAddress& source, std::uint16_t ethertype,
                 base::ByteView payload);
/// The same with IPv4 and UDP headers (checksums filled in). Addresses and ports in host order.
/// Throws std::length_error when the payload does not fit an IPv4 packet (65,507 bytes).
Frame make_udp_frame(const MacAddress& destination, const MacAddress& source,
                     std::uint32_t source_ip, std::uint32_t destination_ip,
                     std::uint16_t source_port, std::uint16_t destination_port,
                     base::ByteView payload);

/// The payload of an IPv4/UDP frame without options or fragments, both checksums verified; empty
/// where the frame is none. Never reads beyond `frame`.
base::ByteView udp_payload(base::ByteView frame);
/// The ethertype, or 0 where the frame is too short to have one.
std::uint16_t ethertype(base::ByteView frame);

}  // namespace zcl::wire
