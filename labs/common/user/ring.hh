// SPDX-License-Identifier: MIT
// A NIC's ring page and pool in a program: /dev/zcl0. What goes wrong at set-up throws; nothing
// that runs for each packet does. A receive loop, busy:
//
//   zcl::user::Ring ring("/dev/zcl0");
//   ring.set_mode(ZCL_MODE_RING);
//   for (;;) {
//     const auto slots = ring.rx().available();
//     for (const auto& slot : slots) use(ring.data(slot));
//     ring.rx().release(slots.size());
//     if (slots.empty()) ring.sync(ZCL_SYNC_RX | ZCL_SYNC_BUSY);
//   }
//
// With ring.wait(POLLIN) in place of the last line it sleeps while there is nothing.
#pragma once

#include <linux/filter.h>
#include <poll.h>
#include <sys/ioctl.h>

#include <cerrno>
#include <filesystem>
#include <span>
#include <string>
#include <utility>

#include "file_descriptor.hh"
#include "mapping.hh"
#include "ring_queues.hh"
#include "system_call.hh"

namespace zcl::user {

/// The node of a network interface: "eth1" -> "/dev/zcl0". Throws std::runtime_error when its
/// driver offers none.
inline std::string ring_node(const std::string& interface) {
  std::error_code none;
  const auto nodes = "/sys/class/net/" + interface + "/device/zcl";
  for (const auto& node : std::filesystem::directory_iterator(nodes, none)) {
    return "/dev/" + node.path().filename().string();
  }
  throw std::runtime_error(interface + " has no ring: is it lab 03's driver that runs it?");
}

/// Zero: the kernel's default. Slots are powers of two, ZCL_MIN_SLOTS to ZCL_MAX_SLOTS.
struct RingOptions {
  std::uint32_t rx_slots = 0;
  std::uint32_t tx_slots = 0;
  std::uint32_t spares = 0;  ///< free buffers beside those of the slots, to keep packets with
  std::uint32_t buffer_bytes = ZCL_BUFFER_2K;
  zcl_interrupts interrupts = ZCL_INTERRUPTS_FOR_SLEEPERS;
  bool own_memory = false;  ///< the pool is this program's memory, pinned, not the kernel's
};

class Ring {
 public:
  /// Opens the node, makes pool and ring page, maps both. The NIC stays in its mode (stack) until
  /// set_mode(). Throws std::system_error: EPERM without CAP_NET_ADMIN and CAP_NET_RAW, EBUSY when
  /// another program has the NIC.
  explicit Ring(const std::string& path, const RingOptions& options = {})
      : file_(open_file(path, O_RDWR)) {
    zcl_setup setup = request(options);
    if (options.own_memory) {
      supply_pool(setup);
    } else {
      check("ZCL_SETUP", ::ioctl(file_.get(), ZCL_SETUP, &setup));
      pool_ = Mapping(file_, ZCL_MAP_POOL, setup.pool_bytes);
    }
    packets_ = pool_.data();
    ring_ = Mapping(file_, ZCL_MAP_RING, setup.ring_bytes);
    buffers_ = setup.buffers;
    buffer_bytes_ = options.buffer_bytes;
    start_queues();
  }

  // The system calls that are not made for each packet. They throw std::system_error.

  void set_mode(zcl_mode mode) {
    check("ZCL_SET_MODE", ::ioctl(file_.get(), ZCL_SET_MODE, static_cast<unsigned long>(mode)));
  }
  void filter_nothing() { set_filter({}); }
  void filter_ethertype(std::uint16_t type) {
    set_filter({.kind = ZCL_FILTER_ETHERTYPE, .value = type, .program = 0});
  }
  void filter_udp_port(std::uint16_t port) {
    set_filter({.kind = ZCL_FILTER_UDP_PORT, .value = port, .program = 0});
  }
  /// A classic BPF program over the packet's first ZCL_FILTER_BYTES; nonzero means ring.
  void filter_bpf(std::span<sock_filter> instructions) {
    const sock_fprog program{static_cast<unsigned short>(instructions.size()), instructions.data()};
    set_filter({.kind = ZCL_FILTER_BPF,
                .value = 0,
                .program = reinterpret_cast<std::uintptr_t>(&program)});
  }
  /// Signalled when packets come or slots of TxBuf are free; -1: none.
  void set_eventfd(int descriptor) {
    check("ZCL_SET_EVENTFD",
          ::ioctl(file_.get(), ZCL_SET_EVENTFD, static_cast<unsigned long>(descriptor)));
  }
  /// Both queues empty, every slot a valid free buffer; kept buffers are the kernel's again.
  void reset() {
    check("ZCL_RESET", ::ioctl(file_.get(), ZCL_RESET));
    start_queues();
  }
  [[nodiscard]] zcl_stats stats() const {
    zcl_stats stats{};
    check("ZCL_GET_STATS", ::ioctl(file_.get(), ZCL_GET_STATS, &stats));
    return stats;
  }
  [[nodiscard]] zcl_info info() const {
    zcl_info info{};
    check("ZCL_GET_INFO", ::ioctl(file_.get(), ZCL_GET_INFO, &info));
    return info;
  }

  // Between packets. These do not throw: -1 and errno.

  /// ZCL_SYNC_... -> packets taken from the NIC
  int sync(unsigned what) noexcept {
    return ::ioctl(file_.get(), ZCL_SYNC, static_cast<unsigned long>(what));
  }
  /// Sleeps until one of `events` (POLLIN, POLLOUT) or for `milliseconds` (-1: for ever). -> what
  /// there is, 0 after the time, POLLHUP and POLLERR when the NIC is gone
  short wait(short events, int milliseconds = -1) noexcept {
    pollfd poll{file_.get(), events, 0};
    return ::poll(&poll, 1, milliseconds) < 0 ? static_cast<short>(0) : poll.revents;
  }

  // For each packet.

  RxConsumer& rx() noexcept { return rx_; }
  TxProducer& tx() noexcept { return tx_; }

  /// The bytes that a slot describes. An index or a length that cannot be (this program has written
  /// to the page) gives other bytes of the pool, never bytes beside it.
  [[nodiscard]] std::span<std::byte> data(const Descriptor& slot) const noexcept {
    return buffer(slot.buffer).first(std::min<std::size_t>(slot.length, buffer_bytes_));
  }
  /// A whole buffer of the pool.
  [[nodiscard]] std::span<std::byte> buffer(std::uint32_t index) const noexcept {
    if (index >= buffers_) [[unlikely]] {
      index = 0;
    }
    return {packets_ + std::size_t{index} * buffer_bytes_, buffer_bytes_};
  }

  /// Moves a received fragment into TxBuf as it is: the two slots exchange their buffers. False
  /// when TxBuf is full. submit() and release() are still the caller's to call.
  bool forward(const Descriptor& received) noexcept {
    Descriptor* const slot = tx_.reserve();
    if (slot == nullptr) [[unlikely]] {
      return false;
    }
    slot->buffer = rx_.keep(received, slot->buffer);
    slot->length = received.length;
    slot->flags = received.flags & (ZCL_START_OF_PACKET | ZCL_END_OF_PACKET);
    return true;
  }

  /// Free buffers that were this program's at set-up: the first, and how many.
  [[nodiscard]] std::pair<std::uint32_t, std::uint32_t> spares() const noexcept {
    return {page().first_spare, page().spares};
  }
  [[nodiscard]] std::uint32_t buffers() const noexcept { return buffers_; }
  [[nodiscard]] std::uint32_t buffer_bytes() const noexcept { return buffer_bytes_; }
  [[nodiscard]] zcl_ring_page& page() const noexcept {
    return *reinterpret_cast<zcl_ring_page*>(ring_.data());
  }
  [[nodiscard]] const FileDescriptor& file() const noexcept { return file_; }
  [[nodiscard]] const Mapping& ring_mapping() const noexcept { return ring_; }
  [[nodiscard]] const Mapping& pool_mapping() const noexcept { return pool_; }

 private:
  static zcl_setup request(const RingOptions& options) {
    zcl_setup setup{};
    setup.version = ZCL_RING_VERSION;
    setup.rx_slots = options.rx_slots;
    setup.tx_slots = options.tx_slots;
    setup.spares = options.spares;
    setup.buffer_bytes = options.buffer_bytes;
    setup.interrupts = options.interrupts;
    return setup;
  }

  /// Asks how much memory it takes, and gives that much of its own.
  void supply_pool(zcl_setup& setup) {
    setup.user_pool = 4096;  // some page: no memory is looked at while the size is wrong
    if (::ioctl(file_.get(), ZCL_SETUP, &setup) == 0 || errno != EMSGSIZE) {
      throw_errno("ZCL_SETUP, size of the pool");
    }
    pool_ = Mapping::anonymous(setup.pool_bytes);
    setup.user_pool = reinterpret_cast<std::uintptr_t>(pool_.data());
    setup.user_pool_bytes = setup.pool_bytes;
    check("ZCL_SETUP", ::ioctl(file_.get(), ZCL_SETUP, &setup));
  }

  void start_queues() noexcept {
    auto* const base = ring_.data();
    rx_ = RxConsumer(page().rxq, reinterpret_cast<Descriptor*>(base + page().rxbuf_offset),
                     page().rx_slots);
    tx_ = TxProducer(page().txq, reinterpret_cast<Descriptor*>(base + page().txbuf_offset),
                     page().tx_slots);
  }

  void set_filter(const zcl_filter& filter) {
    check("ZCL_SET_FILTER", ::ioctl(file_.get(), ZCL_SET_FILTER, &filter));
  }

  FileDescriptor file_;
  Mapping pool_;
  Mapping ring_;
  std::byte* packets_ = nullptr;
  std::uint32_t buffers_ = 0;
  std::uint32_t buffer_bytes_ = 0;
  RxConsumer rx_;
  TxProducer tx_;
};

}  // namespace zcl::user
