// SPDX-License-Identifier: MIT
// Guest side of the tests of lab 03's ring.
//
//   ring_probe SENDER INTERFACE METHOD ROUNDS BURST BYTES
//
// ROUNDS times: emits BURST frames of BYTES bytes from the card SENDER (a PCI directory of sysfs)
// and receives them from INTERFACE's ring by METHOD, summing the first 64 bytes of each. Everything
// stands between marks 1 and 2, after as many packets as the NIC's ring can hold: those may come in
// memory of the stack's. Prints what came and the sum, and fails when either is wrong.
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include <cstdio>
#include <cstdlib>
#include <map>
#include <vector>

#include "labs/common/user/burst_sender.hh"
#include "labs/common/user/count_mark.hh"
#include "labs/common/user/flow_frame.hh"
#include "labs/common/user/ring.hh"

namespace {

using zcl::user::BurstSender;
using zcl::user::check;
using zcl::user::Ring;

constexpr std::size_t kEthernetHeader = 14;
constexpr std::size_t kSummedBytes = 64;

struct Job {
  std::string sender;
  std::string interface;
  std::string method;
  std::size_t rounds;
  std::size_t burst;
  std::size_t bytes;
};

struct Tally {
  std::uint64_t packets = 0;
  std::uint64_t sum = 0;
};

std::uint64_t sum_head(const std::byte* packet) {
  std::uint64_t sum = 0;
#pragma GCC unroll 8
  for (std::size_t at = 0; at < kSummedBytes; at += sizeof sum) {
    std::uint64_t word = 0;
    std::memcpy(&word, packet + at, sizeof word);
    sum += word;
  }
  return sum;
}

std::vector<std::uint8_t> make_frame(std::size_t number, std::size_t bytes) {
  std::vector<std::uint8_t> frame(bytes, 0xff);
  const std::uint8_t source_and_type[] = {
      2, 0, 0, 0, 0, 9, zcl::flow::kEthertype >> 8, zcl::flow::kEthertype & 0xff};
  std::copy(std::begin(source_and_type), std::end(source_and_type), frame.begin() + 6);
  zcl::flow::write_payload(frame.data() + kEthernetHeader, bytes - kEthernetHeader, 1, 1, number);
  return frame;
}

/// Frames in every slot of the sender. -> what a receiver must find
Tally prepare(BurstSender& sender, const Job& job) {
  Tally expected{job.rounds * job.burst, 0};
  std::vector<std::uint64_t> sums;
  for (std::size_t slot = 0; slot < BurstSender::kSlots; ++slot) {
    const auto frame = make_frame(slot, job.bytes);
    sender.set_frame(slot, frame.data(), frame.size());
    sums.push_back(sum_head(reinterpret_cast<const std::byte*>(frame.data())));
  }
  for (std::size_t i = 0; i < expected.packets; ++i) expected.sum += sums[i % sums.size()];
  return expected;
}

/// Everything in the ring now.
std::size_t take(Ring& ring, Tally& tally) {
  const auto slots = ring.rx().available();
  std::uint64_t sum = 0;
  for (const auto& slot : slots) sum += sum_head(ring.data(slot).data());
  ring.rx().release(slots.size());
  tally.sum += sum;
  tally.packets += slots.size();
  return slots.size();
}

using Receive = void (*)(Ring& ring, Tally& tally, std::uint64_t until);

void receive_busy(Ring& ring, Tally& tally, std::uint64_t until) {
  while (tally.packets < until) {
    if (take(ring, tally) == 0) ring.sync(ZCL_SYNC_RX | ZCL_SYNC_BUSY);
  }
}

void receive_poll(Ring& ring, Tally& tally, std::uint64_t until) {
  while (tally.packets < until) {
    ring.wait(POLLIN);
    take(ring, tally);
  }
}

void receive_epoll(Ring& ring, Tally& tally, std::uint64_t until) {
  static const zcl::user::FileDescriptor set = [&ring] {
    zcl::user::FileDescriptor made(check("epoll_create1", ::epoll_create1(0)));
    epoll_event event{.events = EPOLLIN, .data = {}};
    check("epoll_ctl", ::epoll_ctl(made.get(), EPOLL_CTL_ADD, ring.file().get(), &event));
    return made;
  }();
  while (tally.packets < until) {
    epoll_event event{};
    check("epoll_wait", ::epoll_wait(set.get(), &event, 1, -1));
    take(ring, tally);
  }
}

/// The signal comes at the first packet after a look that found none.
void receive_eventfd(Ring& ring, Tally& tally, std::uint64_t until) {
  static const zcl::user::FileDescriptor event = [&ring] {
    zcl::user::FileDescriptor made(check("eventfd", ::eventfd(0, 0)));
    ring.set_eventfd(made.get());
    return made;
  }();
  while (tally.packets < until) {
    if (take(ring, tally) > 0 || ring.sync(ZCL_SYNC_RX) > 0) continue;
    std::uint64_t count = 0;
    check("read of the eventfd", ::read(event.get(), &count, sizeof count));
  }
}

void receive_read(Ring& ring, Tally& tally, std::uint64_t until) {
  std::byte packet[2048];
  while (tally.packets < until) {
    check("read", ::read(ring.file().get(), packet, sizeof packet));
    tally.sum += sum_head(packet);
    ++tally.packets;
  }
}

void receive_copy(Ring& ring, Tally& tally, std::uint64_t until) {
  std::byte packet[2048];
  while (tally.packets < until) {
    zcl_copy copy{reinterpret_cast<std::uintptr_t>(packet), sizeof packet, 0};
    if (::ioctl(ring.file().get(), ZCL_COPY, &copy) != 0) {
      if (errno != EAGAIN) zcl::user::throw_errno("ZCL_COPY");
      continue;
    }
    tally.sum += sum_head(packet);
    ++tally.packets;
  }
}

void receive_map(Ring& ring, Tally& tally, std::uint64_t until) {
  while (tally.packets < until) {
    try {
      const zcl::user::Mapping packet(ring.file(), ZCL_MAP_PACKET, 4096, PROT_READ);
      tally.sum += sum_head(packet.data());
      ++tally.packets;
    } catch (const std::system_error& error) {
      if (error.code().value() != EAGAIN) throw;
    }
  }
}

void receive_proc(Ring& ring, Tally& tally, std::uint64_t until) {
  static const zcl::user::FileDescriptor file =
      zcl::user::open_file(std::string("/proc/zcl/") + ring.info().interface, O_RDONLY);
  static std::byte packets[65536];
  while (tally.packets < until) {
    const auto got = check("read of /proc", ::read(file.get(), packets, sizeof packets));
    for (std::size_t at = 0; at < static_cast<std::size_t>(got); ++tally.packets) {
      std::uint32_t length = 0;
      std::memcpy(&length, packets + at, sizeof length);
      tally.sum += sum_head(packets + at + sizeof length);
      at += sizeof length + length;
    }
  }
}

const std::map<std::string, Receive> kMethods = {
    {"busy", receive_busy},       {"always", receive_poll}, {"poll", receive_poll},
    {"own_memory", receive_busy}, {"epoll", receive_epoll}, {"eventfd", receive_eventfd},
    {"read", receive_read},       {"copy", receive_copy},   {"map_packet", receive_map},
    {"proc", receive_proc},       {"split", receive_poll},
};

zcl::user::RingOptions options_of(const std::string& method) {
  zcl::user::RingOptions options;
  options.rx_slots = 256;
  if (method == "map_packet") options.buffer_bytes = ZCL_BUFFER_4K;
  if (method == "always") options.interrupts = ZCL_INTERRUPTS_ALWAYS;
  options.own_memory = method == "own_memory";
  return options;
}

/// Once round the sender's ring, which is as large as the NIC's.
void warm_up(Ring& ring, BurstSender& sender, Receive receive) {
  constexpr std::size_t kBurst = 32;
  Tally tally;
  while (tally.packets < BurstSender::kSlots) {
    sender.emit(kBurst);
    receive(ring, tally, tally.packets + kBurst);
  }
}

Tally run_rounds(Ring& ring, BurstSender& sender, const Job& job) {
  const Receive receive = kMethods.at(job.method);
  warm_up(ring, sender, receive);
  Tally tally;
  zcl::user::count_mark<1>();
  for (std::size_t round = 0; round < job.rounds; ++round) {
    sender.emit(job.burst);
    receive(ring, tally, tally.packets + job.burst);
  }
  zcl::user::count_mark<2>();
  return tally;
}

int run(const Job& job) {
  BurstSender sender(job.sender);
  const Tally expected = prepare(sender, job);
  Ring ring(zcl::user::ring_node(job.interface), options_of(job.method));
  if (job.method == "split") {
    ring.filter_ethertype(zcl::flow::kEthertype);
    ring.set_mode(ZCL_MODE_SPLIT);
  } else {
    ring.set_mode(ZCL_MODE_RING);
  }
  zcl::user::wait_for_reception();
  const Tally got = run_rounds(ring, sender, job);
  const auto stats = ring.stats();
  std::printf("packets %llu sum %s copied %llu filtered %llu full %llu wakeups %llu\n",
              static_cast<unsigned long long>(got.packets),
              got.sum == expected.sum ? "right" : "wrong",
              static_cast<unsigned long long>(stats.rx_copied),
              static_cast<unsigned long long>(stats.rx_filtered),
              static_cast<unsigned long long>(stats.rx_ring_full),
              static_cast<unsigned long long>(stats.wakeups));
  return got.packets == expected.packets && got.sum == expected.sum ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 7) {
    std::fputs("usage: ring_probe SENDER INTERFACE METHOD ROUNDS BURST BYTES\n", stderr);
    return 2;
  }
  return zcl::user::run_program("ring_probe", [argv] {
    return run({.sender = argv[1],
                .interface = argv[2],
                .method = argv[3],
                .rounds = std::stoul(argv[4]),
                .burst = std::stoul(argv[5]),
                .bytes = std::stoul(argv[6])});
  });
}
