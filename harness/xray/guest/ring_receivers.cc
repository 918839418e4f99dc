// SPDX-License-Identifier: MIT
// PACKET_MMAP: the kernel puts the frame into a ring that the program has mapped
// (Documentation/networking/packet_mmap.rst).
#include <poll.h>

#include <atomic>

#include "harness/xray/guest/packet_socket.hh"
#include "labs/common/user/mapping.hh"

namespace zcl::receiver {
namespace {

constexpr unsigned kBlockBytes = 64 * 1024;
constexpr unsigned kBlocks = 4;
constexpr unsigned kFrameBytes = 2048;
constexpr unsigned kRetireMilliseconds = 10;

class RingReceiver : public Receiver {
 public:
  template <typename Request>
  RingReceiver(unsigned interface_index, int version, const Request& request) {
    set_option(PACKET_VERSION, version);
    set_option(PACKET_RX_RING, request);
    ring_ = user::Mapping(socket_, 0, std::size_t{kBlockBytes} * kBlocks);
    bind_packet_socket(socket_, interface_index);
  }

 protected:
  /// Waits until the kernel has handed the ring's first slot to the program.
  void wait_for(const unsigned& status) {
    while ((std::atomic_ref(const_cast<unsigned&>(status)).load(std::memory_order_acquire) &
            TP_STATUS_USER) == 0) {
      pollfd ready{socket_.get(), POLLIN, 0};
      user::check("poll", ::poll(&ready, 1, -1));
    }
  }
  [[nodiscard]] std::byte* ring() const { return ring_.data(); }

 private:
  template <typename Value>
  void set_option(int option, const Value& value) {
    user::check("setsockopt",
                ::setsockopt(socket_.get(), SOL_PACKET, option, &value, sizeof value));
  }

  user::FileDescriptor socket_ = open_packet_socket();
  user::Mapping ring_;
};

tpacket_req request_v2() {
  return {kBlockBytes, kBlocks, kFrameBytes, kBlockBytes / kFrameBytes * kBlocks};
}

tpacket_req3 request_v3() {
  tpacket_req3 request{};
  request.tp_block_size = kBlockBytes;
  request.tp_block_nr = kBlocks;
  request.tp_frame_size = kFrameBytes;
  request.tp_frame_nr = kBlockBytes / kFrameBytes * kBlocks;
  request.tp_retire_blk_tov = kRetireMilliseconds;
  return request;
}

/// One slot a frame.
class RingV2 final : public RingReceiver {
 public:
  explicit RingV2(unsigned interface_index)
      : RingReceiver(interface_index, TPACKET_V2, request_v2()) {}
  std::size_t receive() override {
    const auto* header = reinterpret_cast<const tpacket2_hdr*>(ring());
    wait_for(header->tp_status);
    return header->tp_len;
  }
};

/// One block for many frames, handed over when it is full or its time is up.
class RingV3 final : public RingReceiver {
 public:
  explicit RingV3(unsigned interface_index)
      : RingReceiver(interface_index, TPACKET_V3, request_v3()) {}
  std::size_t receive() override {
    const auto* block = reinterpret_cast<const tpacket_block_desc*>(ring());
    wait_for(block->hdr.bh1.block_status);
    const auto* frame =
        reinterpret_cast<const tpacket3_hdr*>(ring() + block->hdr.bh1.offset_to_first_pkt);
    return frame->tp_len;
  }
};

}  // namespace

std::unique_ptr<Receiver> make_packet_mmap_v2(unsigned interface_index) {
  return std::make_unique<RingV2>(interface_index);
}
std::unique_ptr<Receiver> make_packet_mmap_v3(unsigned interface_index) {
  return std::make_unique<RingV3>(interface_index);
}

}  // namespace zcl::receiver
