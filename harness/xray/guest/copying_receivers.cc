// SPDX-License-Identifier: MIT
// The ways in which the kernel copies the frame into memory of the program.
#include <sys/socket.h>

#include <array>

#include "harness/xray/guest/packet_socket.hh"

namespace zcl::receiver {
namespace {

constexpr std::size_t kLargestFrame = 64 * 1024;

/// Whole pages, so that the program's copy stands in one piece of its address space, and nothing
/// else of the program in the same pages.
struct Buffer {
  alignas(4096) std::array<char, kLargestFrame> bytes;
};

class CopyingReceiver : public Receiver {
 public:
  explicit CopyingReceiver(unsigned interface_index) : buffer_(std::make_unique<Buffer>()) {
    bind_packet_socket(socket_, interface_index);
  }

 protected:
  user::FileDescriptor socket_ = open_packet_socket();
  std::unique_ptr<Buffer> buffer_;
};

class Read final : public CopyingReceiver {
 public:
  using CopyingReceiver::CopyingReceiver;
  std::size_t receive() override {
    return static_cast<std::size_t>(
        user::check("read", ::read(socket_.get(), buffer_->bytes.data(), kLargestFrame)));
  }
};

class RecvFrom final : public CopyingReceiver {
 public:
  using CopyingReceiver::CopyingReceiver;
  std::size_t receive() override {
    sockaddr_ll from{};
    socklen_t length = sizeof from;
    return static_cast<std::size_t>(
        user::check("recvfrom", ::recvfrom(socket_.get(), buffer_->bytes.data(), kLargestFrame, 0,
                                           reinterpret_cast<sockaddr*>(&from), &length)));
  }
};

class RecvMmsg final : public CopyingReceiver {
 public:
  using CopyingReceiver::CopyingReceiver;
  std::size_t receive() override {
    std::array<iovec, kMessages> parts{};
    std::array<mmsghdr, kMessages> messages{};
    for (std::size_t i = 0; i < kMessages; ++i) {
      parts[i] = {buffer_->bytes.data() + i * kPart, kPart};
      messages[i].msg_hdr.msg_iov = &parts[i];
      messages[i].msg_hdr.msg_iovlen = 1;
    }
    user::check("recvmmsg",
                ::recvmmsg(socket_.get(), messages.data(), kMessages, MSG_WAITFORONE, nullptr));
    return messages[0].msg_len;
  }

 private:
  static constexpr std::size_t kMessages = 4;
  static constexpr std::size_t kPart = kLargestFrame / kMessages;
};

}  // namespace

std::unique_ptr<Receiver> make_read(unsigned interface_index) {
  return std::make_unique<Read>(interface_index);
}
std::unique_ptr<Receiver> make_recvfrom(unsigned interface_index) {
  return std::make_unique<RecvFrom>(interface_index);
}
std::unique_ptr<Receiver> make_recvmmsg(unsigned interface_index) {
  return std::make_unique<RecvMmsg>(interface_index);
}

}  // namespace zcl::receiver
