// SPDX-License-Identifier: MIT
// The harness's end of an emulated cable: frames in, frames out.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>

#include "harness/base/deadline.hh"
#include "harness/base/file_descriptor.hh"
#include "harness/wire/frame.hh"

namespace zcl::wire {

/// What came from the other end is not a stream of frames.
class BadStream : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// One end of a cable, over the stream socket of Machine::take_nic_socket: each frame after its
/// length as a 32-bit big-endian number (QEMU 7.2, net/stream.c). Not thread-safe; one thread may
/// send while another receives.
class Link {
 public:
  explicit Link(base::FileDescriptor socket);

  /// Sends one frame; blocks while QEMU does not take it. Throws DeadlinePassed when nothing of the
  /// frame could be sent, or std::system_error (EPIPE when QEMU is gone). A frame that was sent in
  /// part when the deadline passed counts as sent; the next call sends the rest first.
  void send(base::ByteView frame, const base::Deadline& deadline);
  /// The same for several frames, with few system calls. When the deadline passes, frames_sent()
  /// tells how many were accepted; what is left of these goes first at the next call.
  void send_all(std::span<const Frame> frames, const base::Deadline& deadline);
  /// The next frame, or nothing when the deadline passes first. Throws std::system_error
  /// (ECONNRESET when QEMU is gone), or BadStream.
  std::optional<Frame> receive(const base::Deadline& deadline);

  [[nodiscard]] std::uint64_t frames_sent() const { return frames_sent_; }
  [[nodiscard]] std::uint64_t frames_received() const { return frames_received_; }

 private:
  std::optional<Frame> take_buffered();
  void fill_buffer();
  std::size_t write_some(const base::Deadline& deadline);
  void flush(const base::Deadline& deadline);

  base::FileDescriptor socket_;
  base::Bytes input_;  ///< received bytes are [input_begin_, input_end_)
  std::size_t input_begin_ = 0;
  std::size_t input_end_ = 0;
  base::Bytes output_;  ///< bytes to send are [output_begin_, end)
  std::size_t output_begin_ = 0;
  std::uint64_t frames_sent_ = 0;
  std::uint64_t frames_received_ = 0;
};

}  // namespace zcl::wire
