// SPDX-License-Identifier: MIT
// Guest side of the tests of lab 03's ring: sends frames back from the buffers that they came in.
//
//   ring_forward INTERFACE ring|split|toggle|view BUFFER_BYTES
//
//   ring    everything
//   split   flow frames; the stack gets the rest
//   toggle  the same, changing the mode all the time, stack mode included
//   view    sends nothing, but checks each frame in one piece (ZCL_MAP_PACKET)
//
// Says "ready" once it listens; ends when its standard input ends, and says how many packets.
#include <linux/if_ether.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <utility>
#include <vector>

#include "labs/common/user/flow_frame.hh"
#include "labs/common/user/ring.hh"

namespace {

using zcl::user::Ring;

constexpr std::size_t kPage = 4096;
constexpr std::size_t kViewPages = 4;
constexpr std::size_t kAddress = 6;

void swap_addresses(std::span<std::byte> frame) {
  std::byte destination[kAddress];
  std::memcpy(destination, frame.data(), kAddress);
  std::memcpy(frame.data(), frame.data() + kAddress, kAddress);
  std::memcpy(frame.data() + kAddress, destination, kAddress);
}

/// Packets whose first fragment was seen are forwarded whole: TxBuf is as large as RxBuf here, so
/// waiting for room ends.
std::uint64_t echo(Ring& ring) {
  std::uint64_t packets = 0;
  for (auto slots = ring.rx().available(); !slots.empty(); slots = ring.rx().available()) {
    for (const auto& slot : slots) {
      if ((slot.flags & ZCL_START_OF_PACKET) != 0) swap_addresses(ring.data(slot));
      while (!ring.forward(slot)) ring.sync(ZCL_SYNC_TX);
      if ((slot.flags & ZCL_END_OF_PACKET) != 0) {
        ring.tx().submit();
        ++packets;
      }
    }
    ring.rx().release(slots.size());
    ring.sync(ZCL_SYNC_TX);
  }
  return packets;
}

bool is_whole(const std::uint8_t* frame, std::size_t most) {
  const auto* payload = frame + ETH_HLEN;
  zcl::flow::Header header;
  return zcl::flow::read_header(payload, most - ETH_HLEN, header) &&
         zcl::flow::checksum(payload, header.length) == header.checksum;
}

/// Maps every packet that is there, and holds them together, so that they return in another order.
std::uint64_t view(Ring& ring) {
  std::uint64_t packets = 0;
  std::vector<void*> views;
  for (;;) {
    void* const at = ::mmap(nullptr, kViewPages * kPage, PROT_READ, MAP_SHARED, ring.file().get(),
                            ZCL_MAP_PACKET);
    if (at == MAP_FAILED) break;
    views.push_back(at);
  }
  for (void* const at : views) {
    const auto* frame = static_cast<const std::uint8_t*>(at);
    // Beyond the packet's last page lies nothing: look no further than its length.
    zcl::flow::Header header;
    if (zcl::flow::read_header(frame + ETH_HLEN, kViewPages * kPage, header) &&
        is_whole(frame, ETH_HLEN + header.length)) {
      ++packets;
    }
  }
  if (views.size() > 1) std::swap(views.front(), views.back());
  for (void* const at : views) ::munmap(at, kViewPages * kPage);
  return packets;
}

int run(const std::string& interface, const std::string& what, std::uint32_t buffer_bytes) {
  Ring ring(zcl::user::ring_node(interface),
            {.rx_slots = 128, .tx_slots = 128, .buffer_bytes = buffer_bytes});
  ring.filter_ethertype(zcl::flow::kEthertype);
  ring.set_mode(what == "split" ? ZCL_MODE_SPLIT : ZCL_MODE_RING);
  std::puts("ready");
  std::fflush(stdout);
  std::uint64_t packets = 0;
  std::uint64_t turns = 0;
  for (;;) {
    pollfd waiting[] = {{ring.file().get(), POLLIN, 0}, {STDIN_FILENO, POLLIN, 0}};
    zcl::user::check("poll", ::poll(waiting, 2, what == "toggle" ? 1 : -1));
    packets += what == "view" ? view(ring) : echo(ring);
    if (waiting[1].revents != 0) break;
    if (what == "toggle") ring.set_mode(static_cast<zcl_mode>(turns++ % 3));
  }
  const auto stats = ring.stats();
  std::printf("packets %llu copied %llu full %llu refused %llu\n",
              static_cast<unsigned long long>(packets),
              static_cast<unsigned long long>(stats.rx_copied),
              static_cast<unsigned long long>(stats.rx_ring_full),
              static_cast<unsigned long long>(stats.tx_bad_slot));
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) {
    std::fputs("usage: ring_forward INTERFACE ring|split|toggle|view BUFFER_BYTES\n", stderr);
    return 2;
  }
  return zcl::user::run_program("ring_forward", [argv] {
    return run(argv[1], argv[2], static_cast<std::uint32_t>(std::stoul(argv[3])));
  });
}
