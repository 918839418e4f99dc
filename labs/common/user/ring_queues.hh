// SPDX-License-Identifier: MIT
// The program's side of the two queues on the ring page (zcl_ring_abi.h): consumer of RxQ,
// producer of TxQ. No system calls here, and nothing throws. The kernel's side is
// labs/03_dma_driver/kernel/ring_queue.h, which argues the order in full; in short:
//
//  1. Producer: slots, then head with release. Consumer: head with acquire, then slots. Whoever
//  sees
//     the new head sees the slots' new contents.
//  2. Consumer: its last look at a slot, then tail with release. Producer: tail with acquire, then
//     the slot. Nobody writes what the other still reads.
//
// Each index has one writer, which keeps its own copy in a register or its object: only the other
// side's index is ever loaded from the page.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

#include "zcl_ring_abi.h"

namespace zcl::user {

using Descriptor = zcl_descriptor;

/// Reads packets out of RxBuf. One thread at a time.
class RxConsumer {
 public:
  RxConsumer() = default;
  /// `slots`: a power of two. Starts at `tail`, what stands on the page.
  RxConsumer(zcl_queue& queue, Descriptor* rxbuf, std::uint32_t slots)
      : queue_(&queue), slots_(rxbuf), mask_(slots - 1), tail_(queue.tail) {}

  /// The packets that are there, oldest first: up to the end of the ring, so after release() of all
  /// of them there may be more at its beginning. Empty when there are none.
  [[nodiscard]] std::span<const Descriptor> available() const noexcept {
    const std::uint32_t waiting = __atomic_load_n(&queue_->head, __ATOMIC_ACQUIRE) - tail_;
    const std::uint32_t first = tail_ & mask_;
    return {slots_ + first, std::min(waiting, mask_ + 1 - first)};
  }

  /// Puts `spare`, a free buffer of the program's, into a slot that available() showed, and so
  /// keeps the packet's own buffer beyond release(). -> the kept buffer
  std::uint32_t keep(const Descriptor& slot, std::uint32_t spare) noexcept {
    Descriptor& own = slots_[&slot - slots_];
    const std::uint32_t kept = own.buffer;
    own.buffer = spare;
    return kept;
  }

  /// Returns the `count` oldest slots, whose packets must not be looked at any more.
  void release(std::size_t count) noexcept {
    tail_ += static_cast<std::uint32_t>(count);
    __atomic_store_n(&queue_->tail, tail_, __ATOMIC_RELEASE);
  }

 private:
  zcl_queue* queue_ = nullptr;
  Descriptor* slots_ = nullptr;
  std::uint32_t mask_ = 0;
  std::uint32_t tail_ = 0;
};

/// Puts packets into TxBuf. One thread at a time.
class TxProducer {
 public:
  TxProducer() = default;
  /// `slots`: a power of two. Starts at `head`, what stands on the page.
  TxProducer(zcl_queue& queue, Descriptor* txbuf, std::uint32_t slots)
      : queue_(&queue), slots_(txbuf), mask_(slots - 1), head_(queue.head), free_until_(head_) {}

  /// The next free slot, to be filled in: its buffer is the program's. Null when TxBuf is full. The
  /// kernel sees it after submit().
  [[nodiscard]] Descriptor* reserve() noexcept {
    if (head_ == free_until_ && !look()) [[unlikely]] {
      return nullptr;
    }
    return &slots_[head_++ & mask_];
  }

  /// How many slots can be reserved now.
  [[nodiscard]] std::uint32_t room() noexcept {
    look();
    return free_until_ - head_;
  }

  /// Shows everything reserved to the kernel; ZCL_SYNC_TX then makes it send.
  void submit() noexcept { __atomic_store_n(&queue_->head, head_, __ATOMIC_RELEASE); }

  /// Slots that the kernel has not returned yet, reserved ones included.
  [[nodiscard]] std::uint32_t pending() const noexcept {
    return head_ - __atomic_load_n(&queue_->tail, __ATOMIC_ACQUIRE);
  }

 private:
  bool look() noexcept {
    free_until_ = __atomic_load_n(&queue_->tail, __ATOMIC_ACQUIRE) + mask_ + 1;
    return head_ != free_until_;
  }

  zcl_queue* queue_ = nullptr;
  Descriptor* slots_ = nullptr;
  std::uint32_t mask_ = 0;
  std::uint32_t head_ = 0;
  std::uint32_t free_until_ = 0;  ///< one round behind the last tail that was loaded
};

}  // namespace zcl::user
