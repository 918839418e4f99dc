// SPDX-License-Identifier: MIT
// ring_stress PACKETS SEED: three threads over one ring page, built with ThreadSanitizer. The code
// is the labs' own, the kernel's side compiled for user space.
//
//   nic_receives   "DMAs" numbered packets of one to three buffers, and hands them over
//   ring_queue.h program        checks each, then forwards, keeps or drops it ring_queues.hh
//   nic_sends      takes what was forwarded, checks it again, returns the slots ring_queue.h
//
// Every packet carries its number and a pattern made of it, through its whole length, in each
// buffer: a descriptor or a payload of an earlier round is noticed even where the sanitizer is
// not. Status 0, 1 (a wrong packet, printed), or ThreadSanitizer's 66.
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <random>
#include <string>
#include <thread>

#include "harness/tests/ring/ring_memory.hh"

namespace zcl::test {
namespace {

constexpr std::uint32_t kSlots = 16;  // small: full and empty, and round again, all the time
constexpr std::uint32_t kSpares = 8;
constexpr std::uint32_t kNicSlots = 16;
constexpr std::uint32_t kMaxFragments = 3;

struct Plan {
  std::uint64_t packets;
  std::uint32_t seed;
};

[[noreturn]] void fail(const char* who, std::uint64_t expected, std::uint64_t found) {
  std::fprintf(stderr, "%s: expected %llu, found %llu\n", who,
               static_cast<unsigned long long>(expected), static_cast<unsigned long long>(found));
  std::_Exit(1);
}

/// Word `i` of packet `number`'s fragment `fragment`.
std::uint64_t word(std::uint64_t number, std::uint32_t fragment, std::uint32_t i) {
  return i == 0 ? number : (number * 0x9e3779b97f4a7c15U) ^ (std::uint64_t{fragment} << 32U) ^ i;
}

void write_payload(std::uint8_t* to, std::uint64_t number, std::uint32_t fragment,
                   std::uint32_t length) {
  auto* out = reinterpret_cast<std::uint64_t*>(to);
  for (std::uint32_t i = 0; i < length / sizeof *out; ++i) out[i] = word(number, fragment, i);
}

void check_payload(const char* who, const std::uint8_t* from, std::uint64_t number,
                   std::uint32_t fragment, std::uint32_t length) {
  const auto* in = reinterpret_cast<const std::uint64_t*>(from);
  for (std::uint32_t i = 0; i < length / sizeof *in; ++i) {
    if (in[i] != word(number, fragment, i)) fail(who, word(number, fragment, i), in[i]);
  }
}

std::uint8_t flags_of(std::uint32_t fragment, std::uint32_t fragments) {
  return static_cast<std::uint8_t>((fragment == 0 ? ZCL_START_OF_PACKET : 0U) |
                                   (fragment + 1 == fragments ? ZCL_END_OF_PACKET : 0U));
}

/// The driver's receive pass, again and again. A packet that finds the ring full comes once more.
void nic_receives(RingMemory& ring, Plan plan) {
  std::mt19937 random(plan.seed);
  std::deque<std::uint32_t> posted;
  for (std::uint32_t i = 0; i < kNicSlots; ++i) {
    posted.push_back(static_cast<std::uint32_t>(ring.buffers.size()) - 1 - i);
  }
  for (std::uint64_t number = 0; number < plan.packets;) {
    zcl_rxq_look(&ring.rx);
    for (auto burst = 1 + random() % 8; burst > 0 && number < plan.packets; --burst) {
      const std::uint32_t fragments =
          1 + (random() % 4 == 0 ? static_cast<std::uint32_t>(random()) % kMaxFragments : 0);
      const std::uint64_t before = ring.rx.packets;
      for (std::uint32_t i = 0; i < fragments; ++i) {
        const std::uint32_t buffer = posted.front();
        const std::uint32_t length = 8 * (1 + static_cast<std::uint32_t>(random()) % 16);
        posted.pop_front();
        write_payload(ring.memory(buffer), number, i, length);
        const std::uint32_t next =
            zcl_rxq_put(&ring.rx, zcl_buffer_handle(buffer), length, flags_of(i, fragments), 0);
        posted.push_back(zcl_buffer_at(ring.rx.buffers, next)->index);
      }
      if (ring.rx.packets == before) break;
      ++number;
    }
    if (!zcl_rxq_publish(&ring.rx)) std::this_thread::yield();
  }
}

/// The program: what it does with the packet whose fragments it is looking at.
class Program {
 public:
  Program(RingMemory& ring, Plan plan)
      : ring_(ring),
        rx_(ring.rxq, ring.rxbuf.data(), kSlots),
        tx_(ring.txq, ring.txbuf.data(), kSlots),
        random_(plan.seed + 1),
        spare_(ring.first_spare()) {}

  void run(std::uint64_t packets, std::atomic<std::uint64_t>& forwarded) {
    while (number_ < packets) {
      const auto slots = rx_.available();
      if (slots.empty()) std::this_thread::yield();
      for (const auto& slot : slots) {
        look_at(slot);
        if (treat(slot)) forwarded.fetch_add(1);
        if (random_() % 3 == 0) std::this_thread::yield();
      }
      rx_.release(slots.size());
    }
  }

 private:
  void look_at(const zcl_descriptor& slot) {
    if (((slot.flags & ZCL_START_OF_PACKET) != 0) != (fragment_ == 0)) {
      fail("program: flags of packet", number_, slot.flags);
    }
    if (slot.buffer >= ring_.buffers.size()) fail("program: buffer", 0, slot.buffer);
    check_payload("program", ring_.memory(slot.buffer), number_, fragment_, slot.length);
  }

  /// Forwards, keeps or drops. -> whether a packet is forwarded now
  bool treat(const zcl_descriptor& slot) {
    const bool end = (slot.flags & ZCL_END_OF_PACKET) != 0;
    if (fragment_ == 0) forwarding_ = random_() % 2 == 0 && tx_.room() >= kMaxFragments;
    if (forwarding_) {
      auto* out = tx_.reserve();
      out->length = slot.length;
      out->flags = slot.flags;
      out->buffer = rx_.keep(slot, out->buffer);
      if (end) tx_.submit();
    } else if (random_() % 4 == 0) {
      spare_ = rx_.keep(slot, spare_);
    }
    ++fragment_;
    if (end) {
      ++number_;
      fragment_ = 0;
    }
    return end && forwarding_;
  }

  RingMemory& ring_;
  user::RxConsumer rx_;
  user::TxProducer tx_;
  std::mt19937 random_;
  std::uint32_t spare_;
  std::uint64_t number_ = 0;
  std::uint32_t fragment_ = 0;
  bool forwarding_ = false;
};

/// The driver's transmit side. Sent slots are returned late, several at a time.
void nic_sends(RingMemory& ring, Plan plan, const std::atomic<std::uint64_t>& forwarded,
               const std::atomic<bool>& done) {
  std::mt19937 random(plan.seed + 2);
  zcl_fragment fragments[ZCL_MAX_FRAGMENTS];
  std::uint64_t sent = 0;
  std::uint64_t last = 0;
  std::uint32_t unreturned = 0;
  while (!done.load(std::memory_order_acquire) || sent < forwarded.load() || unreturned > 0) {
    zcl_txq_look(&ring.tx);
    const int count = zcl_txq_take(&ring.tx, fragments);
    if (count < 0) fail("nic_sends: refused after", 0, sent);
    for (int i = 0; i < count; ++i) {
      const auto* memory = ring.memory(fragments[i].buffer);
      const std::uint64_t number = *reinterpret_cast<const std::uint64_t*>(memory);
      if (i == 0 && sent > 0 && number <= last) fail("nic_sends: order", last + 1, number);
      last = number;
      check_payload("nic_sends", memory, number, static_cast<std::uint32_t>(i),
                    fragments[i].length);
    }
    if (count > 0) {
      zcl_txq_commit(&ring.tx, fragments, static_cast<std::uint32_t>(count));
      unreturned += static_cast<std::uint32_t>(count);
      ++sent;
    } else {
      std::this_thread::yield();
    }
    if (count == 0 || random() % 4 == 0) {
      zcl_txq_return(&ring.tx, unreturned);
      unreturned = 0;
    }
  }
}

int stress(Plan plan) {
  RingMemory ring(kSlots, kSlots, kSpares, kNicSlots);
  std::atomic<std::uint64_t> forwarded = 0;
  std::atomic<bool> done = false;
  std::thread receiving([&] { nic_receives(ring, plan); });
  std::thread sending([&] { nic_sends(ring, plan, forwarded, done); });
  Program(ring, plan).run(plan.packets, forwarded);
  done.store(true, std::memory_order_release);
  receiving.join();
  sending.join();
  const auto& rx = ring.rx;
  if (rx.packets != plan.packets) fail("packets", plan.packets, rx.packets);
  if (rx.bad_tail + rx.bad_buffer != 0) fail("disbelieved", 0, rx.bad_buffer);
  if (ring.tx.packets != forwarded) {
    fail("forwarded", forwarded, ring.tx.packets);
  }
  std::printf("%llu received, %llu forwarded, %llu times full\n",
              static_cast<unsigned long long>(rx.packets),
              static_cast<unsigned long long>(ring.tx.packets),
              static_cast<unsigned long long>(rx.ring_full));
  return 0;
}

}  // namespace
}  // namespace zcl::test

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fputs("usage: ring_stress PACKETS SEED\n", stderr);
    return 2;
  }
  return zcl::test::stress(
      {.packets = std::stoull(argv[1]), .seed = static_cast<std::uint32_t>(std::stoul(argv[2]))});
}
