// SPDX-License-Identifier: MIT
#include "burst_sender.hh"

#include <cstring>
#include <ctime>
#include <stdexcept>

namespace zcl::user {

namespace {

// Registers (SDM 13.4) and their bits.
constexpr std::size_t kTctl = 0x0400;
constexpr std::size_t kTdba = 0x3800;
constexpr std::size_t kTdlen = 0x3808;
constexpr std::size_t kTdh = 0x3810;
constexpr std::size_t kTdt = 0x3818;
constexpr std::uint32_t kTctlEnable = 1U << 1;
constexpr std::uint32_t kTctlPadShort = 1U << 3;

// Command bits of a legacy transmit descriptor (SDM 3.3.3.1). No "report status": the card then
// never writes the descriptor, and it can be sent again as it is.
constexpr std::uint8_t kEndOfPacket = 1U << 0;
constexpr std::uint8_t kInsertChecksum = 1U << 1;

}  // namespace

struct BurstSender::Descriptor {
  std::uint64_t address;
  std::uint16_t length;
  std::uint8_t checksum_offset;
  std::uint8_t command;
  std::uint8_t status;
  std::uint8_t checksum_start;
  std::uint16_t special;
};

BurstSender::BurstSender(const std::string& path)
    : card_(path),
      memory_(kSlots * (sizeof(Descriptor) + kSlotBytes)),
      ring_(reinterpret_cast<Descriptor*>(memory_.data())),
      frames_(memory_.data() + kSlots * sizeof(Descriptor)),
      tail_register_(card_.at(kTdt)) {
  static_assert(kSlots * sizeof(Descriptor) == 4096, "the ring is one page");
  for (std::size_t slot = 0; slot < kSlots; ++slot) {
    ring_[slot].address = memory_.physical(frame(slot));  // two slots a page
    ring_[slot].command = kEndOfPacket | kInsertChecksum;
  }
  card_.write_address(kTdba, memory_.physical(ring_));
  card_.write(kTdlen, kSlots * sizeof(Descriptor));
  card_.write(kTdh, 0);
  card_.write(kTdt, 0);
  card_.write(kTctl, kTctlEnable | kTctlPadShort);
}

BurstSender::~BurstSender() {
  card_.write(kTctl, 0);
}

void BurstSender::set_frame(std::size_t slot, const void* bytes, std::size_t length) {
  if (slot >= kSlots || length < 14 || length > kSlotBytes) {
    throw std::out_of_range("a burst sender has 256 slots of 14 to 2048 bytes");
  }
  std::memcpy(frame(slot), bytes, length);
  ring_[slot].length = static_cast<std::uint16_t>(length);
}

void wait_for_reception() {
  const timespec hold = {1, 500'000'000};
  ::nanosleep(&hold, nullptr);
}

}  // namespace zcl::user
