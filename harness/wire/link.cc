// SPDX-License-Identifier: MIT
#include "harness/wire/link.hh"

#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <system_error>

#include "labs/common/user/flow_frame.hh"

namespace zcl::wire {

namespace {

constexpr std::size_t kLengthBytes = 4;
/// Room for some of the largest frames, so that small ones are read many at a time.
constexpr std::size_t kInputBytes = 4 * (kLargestFrame + kLengthBytes);
/// Output gathered before a system call.
constexpr std::size_t kBatchBytes = 128 * 1024;

/// Waits for `events` or the deadline; false when it passed.
bool wait_for(int fd, short events, const base::Deadline& deadline) {
  pollfd wait = {fd, events, 0};
  for (;;) {
    const int ready = ::poll(&wait, 1, deadline.poll_timeout());
    if (ready > 0) return true;
    if (ready < 0 && errno != EINTR) base::throw_system_error("poll of a cable");
    if (deadline.passed()) return false;
  }
}

void append_frame(base::Bytes& output, base::ByteView frame) {
  if (frame.size() > kLargestFrame) {
    throw std::length_error("a frame of " + std::to_string(frame.size()) +
                            " bytes is larger than QEMU passes");
  }
  std::uint8_t length[kLengthBytes];
  flow::store_be32(length, static_cast<std::uint32_t>(frame.size()));
  output.insert(output.end(), length, length + kLengthBytes);
  output.insert(output.end(), frame.begin(), frame.end());
}

}  // namespace

Link::Link(base::FileDescriptor socket) : socket_(std::move(socket)), input_(kInputBytes) {}

/// Writes what the socket takes; 0 when the deadline passed before it took anything.
std::size_t Link::write_some(const base::Deadline& deadline) {
  for (;;) {
    const ssize_t written = ::send(socket_.get(), output_.data() + output_begin_,
                                   output_.size() - output_begin_, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (written > 0) {
      output_begin_ += static_cast<std::size_t>(written);
      return static_cast<std::size_t>(written);
    }
    if (written < 0 && errno == EINTR) continue;
    if (written < 0 && errno != EAGAIN) base::throw_system_error("send to a cable");
    if (!wait_for(socket_.get(), POLLOUT, deadline)) return 0;
  }
}

/// Sends all of the output, or throws DeadlinePassed and keeps the rest.
void Link::flush(const base::Deadline& deadline) {
  while (output_begin_ < output_.size()) {
    if (write_some(deadline) == 0) throw base::DeadlinePassed(deadline);
  }
  output_.clear();
  output_begin_ = 0;
}

void Link::send(base::ByteView frame, const base::Deadline& deadline) {
  flush(deadline);  // what an earlier deadline left of a frame
  append_frame(output_, frame);
  if (write_some(deadline) == 0) {
    output_.clear();
    throw base::DeadlinePassed(deadline);
  }
  ++frames_sent_;
  try {
    flush(deadline);
  } catch (const base::DeadlinePassed&) {
    // Part of it is out: the frame counts, and the rest goes first next time.
  }
}

void Link::send_all(std::span<const Frame> frames, const base::Deadline& deadline) {
  flush(deadline);
  std::size_t next = 0;
  while (next < frames.size()) {
    if (output_.size() + frames[next].bytes.size() > kBatchBytes) flush(deadline);
    append_frame(output_, frames[next].bytes);
    ++frames_sent_;
    ++next;
  }
  flush(deadline);
}

std::optional<Frame> Link::take_buffered() {
  const std::size_t available = input_end_ - input_begin_;
  if (available < kLengthBytes) return std::nullopt;
  const std::size_t length = flow::load_be32(input_.data() + input_begin_);
  if (length > kLargestFrame) {
    throw BadStream("the other end of the cable announced a frame of " + std::to_string(length) +
                    " bytes");
  }
  if (available - kLengthBytes < length) return std::nullopt;
  const std::uint8_t* const start = input_.data() + input_begin_ + kLengthBytes;
  input_begin_ += kLengthBytes + length;
  ++frames_received_;
  return Frame{base::Bytes(start, start + length)};
}

/// Reads what is there, at least one byte.
void Link::fill_buffer() {
  if (input_begin_ > 0) {
    std::memmove(input_.data(), input_.data() + input_begin_, input_end_ - input_begin_);
    input_end_ -= input_begin_;
    input_begin_ = 0;
  }
  const ssize_t got =
      ::recv(socket_.get(), input_.data() + input_end_, input_.size() - input_end_, MSG_DONTWAIT);
  if (got < 0 && (errno == EINTR || errno == EAGAIN)) return;
  if (got == 0) errno = ECONNRESET;
  if (got <= 0) base::throw_system_error("receive from a cable");
  input_end_ += static_cast<std::size_t>(got);
}

std::optional<Frame> Link::receive(const base::Deadline& deadline) {
  for (;;) {
    if (auto frame = take_buffered()) return frame;
    if (!wait_for(socket_.get(), POLLIN, deadline)) return std::nullopt;
    fill_buffer();
  }
}

}  // namespace zcl::wire
