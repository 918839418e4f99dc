// SPDX-License-Identifier: MIT
// A ring page and a pool in ordinary memory, with the kernel's two queues over them: what ZCL_SETUP
// makes, without a kernel.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wold-style-cast"  // the kernel's C
#include "labs/03_dma_driver/kernel/ring_queue.h"
#pragma GCC diagnostic pop
#include "labs/common/user/ring_queues.hh"

namespace zcl::test {

struct RingMemory {
  static constexpr std::uint32_t kBufferBytes = 2048;

  /// Buffers, in this order: one a slot of RxBuf, one a slot of TxBuf, `spares` of the program's,
  /// `nic` of the NIC's.
  RingMemory(std::uint32_t rx_slots, std::uint32_t tx_slots, std::uint32_t spares,
             std::uint32_t nic)
      : rxbuf(rx_slots),
        txbuf(tx_slots),
        buffers(rx_slots + tx_slots + spares + nic),
        pool(buffers.size() * kBufferBytes),
        sent(tx_slots) {
    for (std::uint32_t i = 0; i < rx_slots; ++i) rxbuf[i].buffer = i;
    for (std::uint32_t i = 0; i < tx_slots; ++i) txbuf[i].buffer = rx_slots + i;
    for (std::uint32_t i = 0; i < buffers.size(); ++i) {
      buffers[i].index = i;
      buffers[i].address = &pool[std::size_t{i} * kBufferBytes];
      buffers[i].taken.by.receiving = i >= buffers.size() - nic ? 1 : 0;
    }
    rx.queue = &rxq;
    rx.slots = rxbuf.data();
    rx.buffers = buffers.data();
    rx.buffer_count = static_cast<std::uint32_t>(buffers.size());
    rx.mask = rx_slots - 1;
    rx.limit = rx_slots;
    tx.queue = &txq;
    tx.slots = txbuf.data();
    tx.buffers = buffers.data();
    tx.buffer_count = rx.buffer_count;
    tx.buffer_bytes = kBufferBytes;
    tx.max_packet = 16110;
    tx.mask = tx_slots - 1;
    tx.sent = sent.data();
  }
  RingMemory(const RingMemory&) = delete;
  RingMemory& operator=(const RingMemory&) = delete;

  /// The first buffer of the program's, and of the NIC's.
  [[nodiscard]] std::uint32_t first_spare() const {
    return static_cast<std::uint32_t>(rxbuf.size() + txbuf.size());
  }
  [[nodiscard]] std::uint8_t* memory(std::uint32_t buffer) {
    return &pool[std::size_t{buffer} * kBufferBytes];
  }

  // The page.
  zcl_queue rxq{};
  zcl_queue txq{};
  std::vector<zcl_descriptor> rxbuf;
  std::vector<zcl_descriptor> txbuf;
  // The kernel's own.
  std::vector<zcl_buffer> buffers;
  std::vector<std::uint8_t> pool;
  std::vector<std::uint32_t> sent;
  zcl_rx_queue rx{};
  zcl_tx_queue tx{};
};

}  // namespace zcl::test
