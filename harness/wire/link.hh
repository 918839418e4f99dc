// SPDX-License-Identifier: MIT
// The harness's end of an emulated cable: frames in, frames out.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>

#include "harness/base/deadline.hh"
#include "harness/base/file_descriptor.hh"

namespace zcl::wire {

using MacAddress = std::array<std::uint8_t, 6>;

/// An Ethernet frame without its checksum.
struct Frame {
  base::Bytes bytes;
};

/// Builds an Ethernet II frame; the payload is padded with zeros to 60 bytes in all.
Frame make_frame(const MacAddress& destination, const MacAddress& source, std::uint16_t ethertype,
                 base::ByteView payload);
/// The same with IPv4 and UDP headers (checksums filled in).
Frame make_udp_frame(const MacAddress& destination, const MacAddress& source,
                     std::uint32_t source_ip, std::uint32_t destination_ip,
                     std::uint16_t source_port, std::uint16_t destination_port,
                     base::ByteView payload);

/// One end of a cable, over the stream socket of Machine::take_nic_socket.
class Link {
 public:
  explicit Link(base::FileDescriptor socket);

  /// Sends one frame; blocks while QEMU does not take it. Throws DeadlinePassed, or
  /// std::system_error (EPIPE when QEMU is gone).
  void send(base::ByteView frame, const base::Deadline& deadline);
  /// The next frame, or nothing when the deadline passes first. Throws std::system_error.
  std::optional<Frame> receive(const base::Deadline& deadline);

  [[nodiscard]] std::uint64_t frames_sent() const { return frames_sent_; }
  [[nodiscard]] std::uint64_t frames_received() const { return frames_received_; }

 private:
  base::FileDescriptor socket_;
  base::Bytes pending_;  ///< a partly received frame
  std::uint64_t frames_sent_ = 0;
  std::uint64_t frames_received_ = 0;
};

}  // namespace zcl::wire
