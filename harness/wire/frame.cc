// SPDX-License-Identifier: MIT
#include "harness/wire/frame.hh"

#include <algorithm>
#include <stdexcept>

namespace zcl::wire {

namespace {

constexpr std::uint16_t kEthertypeIpv4 = 0x0800;
constexpr std::size_t kIpv4Header = 20;
constexpr std::size_t kUdpHeader = 8;
constexpr std::uint8_t kProtocolUdp = 17;
constexpr std::size_t kLargestUdpPayload = 65535 - kIpv4Header - kUdpHeader;

void append16(base::Bytes& bytes, std::size_t value) {
  bytes.push_back(static_cast<std::uint8_t>(value >> 8));
  bytes.push_back(static_cast<std::uint8_t>(value));
}

void append32(base::Bytes& bytes, std::uint32_t value) {
  append16(bytes, value >> 16);
  append16(bytes, value & 0xffff);
}

std::size_t load16(base::ByteView bytes, std::size_t at) {
  return std::size_t{bytes[at]} << 8 | bytes[at + 1];
}

void store16(base::Bytes& bytes, std::size_t at, std::uint16_t value) {
  bytes[at] = static_cast<std::uint8_t>(value >> 8);
  bytes[at + 1] = static_cast<std::uint8_t>(value);
}

/// One's complement sum of 16-bit words, not yet inverted (RFC 1071).
std::uint32_t sum_words(base::ByteView bytes, std::uint32_t sum = 0) {
  for (std::size_t at = 0; at + 1 < bytes.size(); at += 2) {
    sum += static_cast<std::uint32_t>(load16(bytes, at));
    sum = (sum & 0xffff) + (sum >> 16);
  }
  if (bytes.size() % 2 == 1) sum += std::uint32_t{bytes.back()} << 8;
  return (sum & 0xffff) + (sum >> 16);
}

std::uint16_t fold(std::uint32_t sum) {
  sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<std::uint16_t>(~sum);
}

/// Sum over the pseudo header (addresses, protocol, length) and the UDP datagram.
std::uint32_t udp_sum(base::ByteView packet, std::size_t udp_length) {
  const auto start = static_cast<std::uint32_t>(kProtocolUdp + udp_length);
  return sum_words(packet.subspan(12, 8 + udp_length), sum_words({}, start));
}

base::Bytes ethernet_header(const MacAddress& destination, const MacAddress& source,
                            std::uint16_t type) {
  base::Bytes bytes;
  bytes.insert(bytes.end(), destination.begin(), destination.end());
  bytes.insert(bytes.end(), source.begin(), source.end());
  append16(bytes, type);
  return bytes;
}

}  // namespace

Frame make_frame(const MacAddress& destination, const MacAddress& source, std::uint16_t type,
                 base::ByteView payload) {
  base::Bytes bytes = ethernet_header(destination, source, type);
  bytes.insert(bytes.end(), payload.begin(), payload.end());
  bytes.resize(std::max(bytes.size(), kMinimumFrame));
  return {std::move(bytes)};
}

Frame make_udp_frame(const MacAddress& destination, const MacAddress& source,
                     std::uint32_t source_ip, std::uint32_t destination_ip,
                     std::uint16_t source_port, std::uint16_t destination_port,
                     base::ByteView payload) {
  if (payload.size() > kLargestUdpPayload) {
    throw std::length_error("a UDP payload of " + std::to_string(payload.size()) +
                            " bytes does not fit an IPv4 packet");
  }
  const std::size_t udp_length = kUdpHeader + payload.size();
  base::Bytes packet;
  append16(packet, 0x4500);  // version 4, five words, no service class
  append16(packet, kIpv4Header + udp_length);
  append32(packet, 0x00004000);  // identification 0, do not fragment
  packet.push_back(64);          // time to live
  packet.push_back(kProtocolUdp);
  append16(packet, 0);
  append32(packet, source_ip);
  append32(packet, destination_ip);
  append16(packet, source_port);
  append16(packet, destination_port);
  append16(packet, udp_length);
  append16(packet, 0);
  packet.insert(packet.end(), payload.begin(), payload.end());

  const base::ByteView view = packet;
  const std::uint16_t header_sum = fold(sum_words(view.first(kIpv4Header)));
  const std::uint16_t datagram_sum = fold(udp_sum(view, udp_length));
  store16(packet, 10, header_sum);
  // RFC 768: 0 means "no checksum", so a computed 0 is sent as all ones.
  store16(packet, kIpv4Header + 6, datagram_sum == 0 ? 0xffff : datagram_sum);
  return make_frame(destination, source, kEthertypeIpv4, packet);
}

std::uint16_t ethertype(base::ByteView frame) {
  return frame.size() < kEthernetHeader ? std::uint16_t{0}
                                        : static_cast<std::uint16_t>(load16(frame, 12));
}

base::ByteView udp_payload(base::ByteView frame) {
  if (ethertype(frame) != kEthertypeIpv4) return {};
  base::ByteView packet = frame.subspan(kEthernetHeader);
  if (packet.size() < kIpv4Header + kUdpHeader) return {};
  const std::size_t total = load16(packet, 2);
  if (packet[0] != 0x45 || packet[9] != kProtocolUdp || (load16(packet, 6) & 0x3fff) != 0 ||
      total < kIpv4Header + kUdpHeader || total > packet.size()) {
    return {};
  }
  packet = packet.first(total);
  const std::size_t udp_length = load16(packet, kIpv4Header + 4);
  if (udp_length != total - kIpv4Header) return {};
  if (fold(sum_words(packet.first(kIpv4Header))) != 0) return {};
  const bool has_checksum = load16(packet, kIpv4Header + 6) != 0;
  if (has_checksum && fold(udp_sum(packet, udp_length)) != 0) return {};
  return packet.subspan(kIpv4Header + kUdpHeader);
}

}  // namespace zcl::wire
