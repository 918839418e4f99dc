// SPDX-License-Identifier: MIT
// The lower bound: the chip's own receive ring in the program's memory, polled. Nothing protects
// the machine from the program, no other program can use the card, and the program never sleeps.
// Source: Intel 8254x software developer's manual (SDM), 3.2 (receive), 13.4 (registers).
#include <array>
#include <atomic>

#include "e1000_card.hh"
#include "rx_traffic.hh"

namespace zcl::rx {
namespace {

// Registers (SDM 13.4) and their bits.
constexpr std::size_t kRctl = 0x0100;
constexpr std::size_t kRdba = 0x2800;
constexpr std::size_t kRdlen = 0x2808;
constexpr std::size_t kRdh = 0x2810;
constexpr std::size_t kRdt = 0x2818;
constexpr std::uint32_t kRctlEnable = 1U << 1;
constexpr std::uint32_t kRctlBroadcast = 1U << 15;
constexpr std::uint32_t kRctlStripChecksum = 1U << 26;

/// SDM 3.2.3.
struct Descriptor {
  std::uint64_t address;
  std::uint16_t length;
  std::uint16_t checksum;
  std::uint8_t status;
  std::uint8_t errors;
  std::uint16_t special;
};
constexpr std::uint8_t kDone = 1U << 0;

class BareRing final : public Receiver {
 public:
  explicit BareRing(const std::string& path)
      : card_(path),
        memory_(kSlots * (sizeof(Descriptor) + kSlotBytes)),
        ring_(reinterpret_cast<Descriptor*>(memory_.data())),
        buffers_(memory_.data() + kSlots * sizeof(Descriptor)),
        tail_register_(card_.at(kRdt)) {
    for (std::size_t slot = 0; slot < kSlots; ++slot) {
      ring_[slot].address = memory_.physical(buffers_ + slot * kSlotBytes);
    }
    card_.write_address(kRdba, memory_.physical(ring_));
    card_.write(kRdlen, kSlots * sizeof(Descriptor));
    card_.write(kRdh, 0);
    card_.write(kRdt, kSlots - 1);  // a full ring would look empty
    card_.write(kRctl, kRctlEnable | kRctlBroadcast | kRctlStripChecksum);
  }
  ~BareRing() override { card_.write(kRctl, 0); }

  std::size_t receive(Account& account) override {
    const std::size_t first = next_;
    std::size_t slot = first;
    // Acquire: the packet is read after the bit that says it is there. At most a turn less one, so
    // that a card as fast as we are cannot keep us here.
    while ((std::atomic_ref(ring_[slot].status).load(std::memory_order_acquire) & kDone) != 0 &&
           (slot + 1) % kSlots != first) {
      account.take(buffers_ + slot * kSlotBytes, ring_[slot].length);
      ring_[slot].status = 0;
      slot = (slot + 1) % kSlots;
    }
    if (slot == first) return 0;
    next_ = slot;
    // The card may fill up to, and not including, the slot before the next one.
    std::atomic_thread_fence(std::memory_order_release);
    *tail_register_ = static_cast<std::uint32_t>((slot + kSlots - 1) % kSlots);
    return (slot + kSlots - first) % kSlots;
  }

 private:
  static constexpr std::size_t kSlots = 256;  // descriptors: one page
  static constexpr std::size_t kSlotBytes = 2048;

  user::E1000Card card_;
  user::CardMemory memory_;
  Descriptor* ring_;
  const std::uint8_t* buffers_;
  volatile std::uint32_t* tail_register_;
  std::size_t next_ = 0;
};

constexpr std::array kKinds{
    ReceiverKind{"bare_ring",
                 [](const std::string& card) -> std::unique_ptr<Receiver> {
                   return std::make_unique<BareRing>(card);
                 }},
};

}  // namespace
}  // namespace zcl::rx

int main(int argc, char** argv) {
  return zcl::rx::run_receivers(argc, argv, zcl::rx::kKinds);
}
