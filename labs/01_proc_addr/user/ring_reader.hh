// SPDX-License-Identifier: MIT
// The reader's side of the corrected ring. See include/nf_ring.h for layout and ordering.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <span>
#include <stdexcept>

#include "nf_ring.h"

namespace zcl::user {

/// A record, still in the ring: `data` is valid until RingReader::release().
struct Record {
  std::uint64_t number = 0;  ///< from 0, as the writer counts
  std::span<const std::byte> data;
  bool damaged = false;  ///< its length cannot be true; data is empty
};

class RingReader {
 public:
  /// `buffer`: all blocks. Throws std::runtime_error where no ring is laid over them.
  explicit RingReader(std::span<std::byte> buffer)
      : header_(reinterpret_cast<nf_ring_header*>(buffer.data())),
        slots_(buffer.data() + NF_RING_HEADER_BYTES) {
    if (buffer.size() < NF_RING_HEADER_BYTES + NF_RING_SLOT_BYTES) {
      throw std::runtime_error("the buffer is too small for a ring");
    }
    const std::atomic_ref magic(header_->magic);
    if (magic.load(std::memory_order_acquire) != NF_RING_MAGIC) {
      throw std::runtime_error("no ring there: is the module loaded with ring=corrected?");
    }
    slot_count_ = (buffer.size() - NF_RING_HEADER_BYTES) / NF_RING_SLOT_BYTES;
    tail_ = std::atomic_ref(header_->tail).load(std::memory_order_relaxed);
  }

  /// The oldest record that was not released, or nothing where the ring is empty. No system call,
  /// no copy.
  std::optional<Record> next() {
    /* ZCL-BEGIN read: look at the next record
     * Compare the header's head with tail_ (this reader's own count): equal means empty. Which
     * memory order must the load have, so that the record is there once its number is? Record n
     * stands in slot n % slot_count_ of slots_, NF_RING_SLOT_BYTES each. A length that does not
     * fit a slot is damage: say so, never follow it.
     * > return std::nullopt;
     */
    const std::uint64_t head = std::atomic_ref(header_->head).load(std::memory_order_acquire);
    if (head == tail_) return std::nullopt;
    const std::byte* at = slots_ + tail_ % slot_count_ * NF_RING_SLOT_BYTES;
    const auto* slot = reinterpret_cast<const nf_ring_slot*>(at);
    // Read once: what was checked is what is used.
    const std::uint32_t length = *const_cast<const volatile __u32*>(&slot->length);
    if (length > NF_RING_DATA_BYTES) return Record{tail_, {}, true};
    return Record{tail_, {reinterpret_cast<const std::byte*>(slot->data), length}, false};
    /* ZCL-END read */
  }

  /// Gives the slot of the record that next() returned back to the writer.
  void release() {
    /* ZCL-BEGIN read: give the slot back
     * One step further, and tell the writer, in the order that keeps it from filling the slot
     * before the last load from it.
     * > return;
     */
    ++tail_;
    std::atomic_ref(header_->tail).store(tail_, std::memory_order_release);
    /* ZCL-END read */
  }

 private:
  nf_ring_header* header_;
  std::byte* slots_;
  std::uint64_t slot_count_ = 0;
  std::uint64_t tail_ = 0;
};

}  // namespace zcl::user
