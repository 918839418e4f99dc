// SPDX-License-Identifier: MIT
// Lab 03's own ring: the card's DMA writes into memory that the program has mapped.
//
//   ring_busy       asks for packets again and again (ZCL_SYNC), never sleeps
//   ring_poll       poll(2), which takes what is there and sleeps only where there is nothing
//   ring_blocking   read(2), which copies one packet: the ring without its point
#include <array>
#include <span>

#include "ring.hh"
#include "rx_interface.hh"
#include "rx_traffic.hh"

namespace zcl::rx {
namespace {

user::RingOptions options() {
  user::RingOptions options;
  options.rx_slots = 256;
  return options;
}

class RingReceiver : public Receiver {
 public:
  explicit RingReceiver(const std::string& card) : ring_(node_of(card), options()) {
    ring_.set_mode(ZCL_MODE_RING);
  }

 protected:
  std::size_t take(std::span<const user::Descriptor> slots, Account& account) {
    for (const auto& slot : slots) {
      account.take(reinterpret_cast<const std::uint8_t*>(ring_.data(slot).data()), slot.length);
    }
    ring_.rx().release(slots.size());
    return slots.size();
  }
  user::Ring ring_;

 private:
  static std::string node_of(const std::string& card) {
    const std::string interface = interface_of(card);
    bring_up(interface);
    return user::ring_node(interface);
  }
};

class BusyRing final : public RingReceiver {
 public:
  using RingReceiver::RingReceiver;
  std::size_t receive(Account& account) override {
    auto slots = ring_.rx().available();
    if (slots.empty()) {
      ring_.sync(ZCL_SYNC_RX | ZCL_SYNC_BUSY);
      slots = ring_.rx().available();
    }
    return take(slots, account);
  }
};

class PolledRing final : public RingReceiver {
 public:
  using RingReceiver::RingReceiver;
  std::size_t receive(Account& account) override {
    auto slots = ring_.rx().available();
    if (slots.empty()) {
      ring_.wait(POLLIN);
      slots = ring_.rx().available();
    }
    return take(slots, account);
  }
};

class BlockingRing final : public RingReceiver {
 public:
  using RingReceiver::RingReceiver;
  std::size_t receive(Account& account) override {
    const ssize_t length = ::read(ring_.file().get(), packet_.data(), packet_.size());
    if (length < 0 && errno == EINTR) return 0;
    account.take(packet_.data(), static_cast<std::size_t>(user::check("read", length)));
    return 1;
  }

 private:
  std::array<std::uint8_t, 2048> packet_{};
};

template <typename Kind>
std::unique_ptr<Receiver> make(const std::string& card) {
  return std::make_unique<Kind>(card);
}

constexpr std::array kKinds{
    ReceiverKind{"ring_busy", make<BusyRing>},
    ReceiverKind{"ring_poll", make<PolledRing>},
    ReceiverKind{"ring_blocking", make<BlockingRing>},
};

}  // namespace
}  // namespace zcl::rx

int main(int argc, char** argv) {
  return zcl::rx::run_receivers(argc, argv, zcl::rx::kKinds);
}
