// SPDX-License-Identifier: MIT
// Packet sockets: the kernel copies each packet to the program's memory (recvfrom, recvmmsg) or to
// a ring that both map (TPACKET_V3).
#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <poll.h>

#include <array>
#include <atomic>

#include "mapping.hh"
#include "rx_interface.hh"
#include "rx_traffic.hh"

namespace zcl::rx {
namespace {

constexpr std::size_t kBufferBytes = 2048;

/// A packet socket that takes everything from the card.
class PacketSocket {
 public:
  explicit PacketSocket(const std::string& card) : interface_(interface_of(card)) {}

  template <typename Value>
  void set_option(int level, int option, const Value& value) {
    user::check("setsockopt", ::setsockopt(socket_.get(), level, option, &value, sizeof value));
  }
  void bind() {
    bring_up(interface_);
    sockaddr_ll address{};
    address.sll_family = AF_PACKET;
    address.sll_protocol = htons(ETH_P_ALL);
    address.sll_ifindex = static_cast<int>(::if_nametoindex(interface_.c_str()));
    user::check("bind",
                ::bind(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address));
  }
  [[nodiscard]] const user::FileDescriptor& descriptor() const { return socket_; }
  [[nodiscard]] int get() const { return socket_.get(); }

 private:
  std::string interface_;
  user::FileDescriptor socket_{
      user::check("socket", ::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0))};
};

/// Of a call that sleeps: 0 where a signal ended it.
template <typename Integer>
Integer unless_interrupted(const char* call, Integer result) {
  if (result < 0 && errno == EINTR) return 0;
  return user::check(call, result);
}

/// As a program that captures traffic would. The default holds less than a burst of 128 large
/// packets.
void enlarge_queue(PacketSocket& socket) {
  socket.set_option(SOL_SOCKET, SO_RCVBUFFORCE, 8 << 20);
}

class RecvFrom final : public Receiver {
 public:
  explicit RecvFrom(const std::string& card) : socket_(card) {
    enlarge_queue(socket_);
    socket_.bind();
  }
  std::size_t receive(Account& account) override {
    const auto length = unless_interrupted(
        "recvfrom", ::recvfrom(socket_.get(), buffer_.data(), buffer_.size(), 0, nullptr, nullptr));
    if (length == 0) return 0;
    account.take(buffer_.data(), static_cast<std::size_t>(length));
    return 1;
  }

 private:
  PacketSocket socket_;
  std::array<std::uint8_t, kBufferBytes> buffer_{};
};

class RecvMmsg final : public Receiver {
 public:
  explicit RecvMmsg(const std::string& card) : socket_(card) {
    for (std::size_t i = 0; i < kMessages; ++i) {
      parts_[i] = {buffers_[i].data(), kBufferBytes};
      messages_[i].msg_hdr.msg_iov = &parts_[i];
      messages_[i].msg_hdr.msg_iovlen = 1;
    }
    enlarge_queue(socket_);
    socket_.bind();
  }
  std::size_t receive(Account& account) override {
    const auto count = static_cast<std::size_t>(unless_interrupted(
        "recvmmsg",
        ::recvmmsg(socket_.get(), messages_.data(), kMessages, MSG_WAITFORONE, nullptr)));
    for (std::size_t i = 0; i < count; ++i) account.take(buffers_[i].data(), messages_[i].msg_len);
    return count;
  }

 private:
  static constexpr std::size_t kMessages = 64;
  PacketSocket socket_;
  std::array<std::array<std::uint8_t, kBufferBytes>, kMessages> buffers_{};
  std::array<iovec, kMessages> parts_{};
  std::array<mmsghdr, kMessages> messages_{};
};

/// Blocks of many packets, handed over when full or when their time is up
/// (Documentation/networking/packet_mmap.rst).
class PacketMmap final : public Receiver {
 public:
  explicit PacketMmap(const std::string& card) : socket_(card) {
    tpacket_req3 request{};
    request.tp_block_size = kBlockBytes;
    request.tp_block_nr = kBlocks;
    request.tp_frame_size = kBufferBytes;
    request.tp_frame_nr = kBlockBytes / kBufferBytes * kBlocks;
    request.tp_retire_blk_tov = kRetireMilliseconds;
    socket_.set_option(SOL_PACKET, PACKET_VERSION, int{TPACKET_V3});
    socket_.set_option(SOL_PACKET, PACKET_RX_RING, request);
    ring_ = user::Mapping(socket_.descriptor(), 0, std::size_t{kBlockBytes} * kBlocks);
    socket_.bind();
  }
  std::size_t receive(Account& account) override {
    auto* const block = reinterpret_cast<tpacket_block_desc*>(ring_.data() + next_ * kBlockBytes);
    std::atomic_ref status(block->hdr.bh1.block_status);
    if ((status.load(std::memory_order_acquire) & TP_STATUS_USER) == 0) {
      pollfd ready{socket_.get(), POLLIN, 0};
      unless_interrupted("poll", ::poll(&ready, 1, -1));
      if ((status.load(std::memory_order_acquire) & TP_STATUS_USER) == 0) return 0;
    }
    const std::size_t count = block->hdr.bh1.num_pkts;
    const auto* at =
        reinterpret_cast<const std::uint8_t*>(block) + block->hdr.bh1.offset_to_first_pkt;
    for (std::size_t i = 0; i < count; ++i) {
      const auto* const packet = reinterpret_cast<const tpacket3_hdr*>(at);
      account.take(at + packet->tp_mac, packet->tp_snaplen);
      at += packet->tp_next_offset;
    }
    status.store(TP_STATUS_KERNEL, std::memory_order_release);
    next_ = (next_ + 1) % kBlocks;
    return count;
  }

 private:
  static constexpr unsigned kBlockBytes = 64 * 1024;
  static constexpr unsigned kBlocks = 32;
  static constexpr unsigned kRetireMilliseconds = 1;
  PacketSocket socket_;
  user::Mapping ring_;
  std::size_t next_ = 0;
};

template <typename Kind>
std::unique_ptr<Receiver> make(const std::string& card) {
  return std::make_unique<Kind>(card);
}

constexpr std::array kKinds{
    ReceiverKind{"recvfrom", make<RecvFrom>},
    ReceiverKind{"recvmmsg", make<RecvMmsg>},
    ReceiverKind{"tpacket_v3", make<PacketMmap>},
};

}  // namespace
}  // namespace zcl::rx

int main(int argc, char** argv) {
  return zcl::rx::run_receivers(argc, argv, zcl::rx::kKinds);
}
