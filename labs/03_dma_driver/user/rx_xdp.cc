// SPDX-License-Identifier: MIT
// AF_XDP where the driver has no support of its own ("generic", copy mode): the kernel runs an XDP
// program on the socket buffer, which redirects it, and copies the packet to the program's memory.
#include <bpf/bpf.h>
#include <linux/bpf.h>
#include <linux/if_link.h>
#include <poll.h>
#include <sys/mman.h>
#include <xdp/xsk.h>

#include <array>

#include "rx_interface.hh"
#include "rx_traffic.hh"

namespace zcl::rx {
namespace {

constexpr std::uint32_t kFrames = 4096;
constexpr std::uint32_t kFrameBytes = 2048;
constexpr std::uint32_t kBatch = 64;

/// A library that returns -errno.
void require(const char* call, int result) {
  if (result < 0) {
    errno = -result;
    user::throw_errno(call);
  }
}

/// return bpf_redirect_map(&map, context->rx_queue_index, XDP_PASS)
user::FileDescriptor load_program(const user::FileDescriptor& map) {
  const std::array<bpf_insn, 6> code{{
      {.code = BPF_LDX | BPF_MEM | BPF_W,
       .dst_reg = BPF_REG_2,
       .src_reg = BPF_REG_1,
       .off = offsetof(xdp_md, rx_queue_index),
       .imm = 0},
      {.code = BPF_LD | BPF_DW | BPF_IMM,
       .dst_reg = BPF_REG_1,
       .src_reg = BPF_PSEUDO_MAP_FD,
       .off = 0,
       .imm = map.get()},
      {},
      {.code = BPF_ALU64 | BPF_MOV | BPF_K,
       .dst_reg = BPF_REG_3,
       .src_reg = 0,
       .off = 0,
       .imm = XDP_PASS},
      {.code = BPF_JMP | BPF_CALL,
       .dst_reg = 0,
       .src_reg = 0,
       .off = 0,
       .imm = BPF_FUNC_redirect_map},
      {.code = BPF_JMP | BPF_EXIT, .dst_reg = 0, .src_reg = 0, .off = 0, .imm = 0},
  }};
  return user::FileDescriptor(user::check(
      "load XDP program",
      bpf_prog_load(BPF_PROG_TYPE_XDP, "redirect", "GPL", code.data(), code.size(), nullptr)));
}

class XdpSocket final : public Receiver {
 public:
  explicit XdpSocket(const std::string& card)
      : memory_(static_cast<std::uint8_t*>(::mmap(nullptr, std::size_t{kFrames} * kFrameBytes,
                                                  PROT_READ | PROT_WRITE,
                                                  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0))) {
    if (memory_ == MAP_FAILED) user::throw_errno("mmap");
    const std::string interface = interface_of(card);
    bring_up(interface);
    xsk_umem_config memory_config{};
    memory_config.fill_size = kFrames;
    memory_config.comp_size = XSK_RING_CONS__DEFAULT_NUM_DESCS;
    memory_config.frame_size = kFrameBytes;
    require("xsk_umem__create",
            xsk_umem__create(&umem_, memory_, std::uint64_t{kFrames} * kFrameBytes, &fill_,
                             &completion_, &memory_config));
    xsk_socket_config config{};
    config.rx_size = XSK_RING_CONS__DEFAULT_NUM_DESCS;
    config.libxdp_flags = XSK_LIBXDP_FLAGS__INHIBIT_PROG_LOAD;
    config.bind_flags = XDP_COPY;
    require("xsk_socket__create", xsk_socket__create(&socket_, interface.c_str(), 0, umem_,
                                                     &received_, nullptr, &config));
    std::uint32_t first = 0;
    xsk_ring_prod__reserve(&fill_, kFrames, &first);
    for (std::uint32_t i = 0; i < kFrames; ++i) {
      *xsk_ring_prod__fill_addr(&fill_, first + i) = std::uint64_t{i} * kFrameBytes;
    }
    xsk_ring_prod__submit(&fill_, kFrames);
    attach(interface);
  }

  std::size_t receive(Account& account) override {
    std::uint32_t first = 0;
    std::uint32_t count = xsk_ring_cons__peek(&received_, kBatch, &first);
    if (count == 0) {
      pollfd ready{xsk_socket__fd(socket_), POLLIN, 0};
      if (::poll(&ready, 1, -1) < 0 && errno != EINTR) user::throw_errno("poll");
      count = xsk_ring_cons__peek(&received_, kBatch, &first);
      if (count == 0) return 0;
    }
    // Never short: every frame is in the fill ring, in the receive ring, or here.
    std::uint32_t free = 0;
    xsk_ring_prod__reserve(&fill_, count, &free);
    for (std::uint32_t i = 0; i < count; ++i) {
      const xdp_desc& packet = *xsk_ring_cons__rx_desc(&received_, first + i);
      account.take(memory_ + packet.addr, packet.len);
      *xsk_ring_prod__fill_addr(&fill_, free + i) = packet.addr;
    }
    xsk_ring_cons__release(&received_, count);
    xsk_ring_prod__submit(&fill_, count);
    return count;
  }

 private:
  void attach(const std::string& interface) {
    const user::FileDescriptor map(user::check(
        "bpf_map_create", bpf_map_create(BPF_MAP_TYPE_XSKMAP, "sockets", 4, 4, 1, nullptr)));
    const std::uint32_t queue = 0;
    const int socket = xsk_socket__fd(socket_);
    require("bpf_map_update_elem", bpf_map_update_elem(map.get(), &queue, &socket, BPF_ANY));
    const auto program = load_program(map);
    require("bpf_xdp_attach", bpf_xdp_attach(static_cast<int>(::if_nametoindex(interface.c_str())),
                                             program.get(), XDP_FLAGS_SKB_MODE, nullptr));
  }

  std::uint8_t* memory_;
  xsk_umem* umem_ = nullptr;
  xsk_socket* socket_ = nullptr;
  xsk_ring_prod fill_{};
  xsk_ring_cons completion_{};
  xsk_ring_cons received_{};
};

constexpr std::array kKinds{
    ReceiverKind{"af_xdp",
                 [](const std::string& card) -> std::unique_ptr<Receiver> {
                   return std::make_unique<XdpSocket>(card);
                 }},
};

}  // namespace
}  // namespace zcl::rx

int main(int argc, char** argv) {
  return zcl::rx::run_receivers(argc, argv, zcl::rx::kKinds);
}
