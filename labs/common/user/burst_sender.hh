// SPDX-License-Identifier: MIT
// A deterministic source of traffic inside the guest: an e1000 that no driver owns, driven from
// user space. All frames are prepared beforehand; one write to the transmit tail register then
// emits a whole burst inside that write. In a machine whose clock counts instructions, frames so
// arrive at the same moment in every run, and sending costs next to nothing of what is being
// counted.
//
// It does not receive, checks no link, and takes no interrupt. It needs root and a machine without
// an IOMMU, since it gives the card physical addresses.
// Source: Intel 8254x software developer's manual (SDM), 3.3 (transmit), 13.4 (registers).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "e1000_card.hh"

namespace zcl::user {

/// Not copyable: it owns the card until it is destroyed.
class BurstSender {
 public:
  static constexpr std::size_t kSlots = 256;            ///< descriptors in the ring, one page
  static constexpr std::size_t kSlotBytes = 2048;       ///< room for one frame
  static constexpr std::size_t kMaxBurst = kSlots - 1;  ///< a full ring would look empty

  /// Takes the card at `path`, such as "/sys/bus/pci/devices/0000:00:03.0" or
  /// "/sys/class/net/eth1/device", from any driver that has it, and points every slot at its
  /// (empty) buffer. Throws std::runtime_error when it is no e1000 or cannot be mapped.
  explicit BurstSender(const std::string& path);
  ~BurstSender();
  BurstSender(const BurstSender&) = delete;
  BurstSender& operator=(const BurstSender&) = delete;

  /// Slot `slot` (0 … kSlots - 1) holds this frame from now on: Ethernet header included, checksum
  /// not, 14 … kSlotBytes bytes. A frame stays in its slot and is sent each time the ring comes
  /// round to it. Throws std::out_of_range.
  void set_frame(std::size_t slot, const void* frame, std::size_t length);
  /// The bytes of a slot, to change a sequence number in place.
  std::uint8_t* frame(std::size_t slot) { return frames_ + slot * kSlotBytes; }

  /// The slot that the next burst starts with.
  [[nodiscard]] std::size_t next_slot() const { return tail_; }

  /// Emits the next `count` slots, up to kMaxBurst. When it returns, the card has sent them all
  /// (QEMU sends inside the register write). With 0 it does all the same and sends nothing: what
  /// sending itself costs.
  void emit(std::size_t count) {
    tail_ = (tail_ + count) % kSlots;
    __atomic_store_n(tail_register_, static_cast<std::uint32_t>(tail_), __ATOMIC_RELEASE);
  }

 private:
  struct Descriptor;

  E1000Card card_;
  CardMemory memory_;
  Descriptor* ring_;
  std::uint8_t* frames_;
  std::size_t tail_ = 0;
  volatile std::uint32_t* tail_register_;
};

/// QEMU's e1000 receives nothing for one second after every write to its receive-control register
/// (interface up, promiscuous mode, multicast groups). Call this after the last of them and before
/// the first burst: it lets 1.5 s of guest time pass.
void wait_for_reception();

}  // namespace zcl::user
