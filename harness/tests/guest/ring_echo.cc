// SPDX-License-Identifier: MIT
// Sends flow frames back to where they came from: those in the ring out of the pool that they were
// received in, those of the network stack through a packet socket.
//
//   ring_echo INTERFACE BUFFER_BYTES [EVERY]
//
// In ring mode; with EVERY, the mode changes after each EVERY frames. Says "ready" once it listens;
// ends when its standard input ends, and says how many frames came which way.
#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <sys/socket.h>

#include <array>
#include <cstdio>
#include <utility>

#include "labs/common/user/flow_frame.hh"
#include "labs/common/user/ring.hh"

namespace {

using zcl::user::check;
using zcl::user::Ring;

class PacketSocket {
 public:
  explicit PacketSocket(const std::string& interface)
      : socket_(check("socket", ::socket(AF_PACKET, SOCK_RAW, htons(zcl::flow::kEthertype)))) {
    constexpr int kReceiveBuffer = 8 << 20;
    check("SO_RCVBUFFORCE", ::setsockopt(socket_.get(), SOL_SOCKET, SO_RCVBUFFORCE, &kReceiveBuffer,
                                         sizeof kReceiveBuffer));
    sockaddr_ll address{};
    address.sll_family = AF_PACKET;
    address.sll_protocol = htons(zcl::flow::kEthertype);
    address.sll_ifindex = static_cast<int>(::if_nametoindex(interface.c_str()));
    check("bind",
          ::bind(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address));
  }
  [[nodiscard]] int fd() const { return socket_.get(); }
  /// Echoes what there is. -> frames
  std::size_t echo() {
    static std::array<unsigned char, 65536> frame;
    std::size_t count = 0;
    for (;; ++count) {
      const auto length = ::recv(fd(), frame.data(), frame.size(), MSG_DONTWAIT);
      if (length < 14) return count;
      for (std::size_t i = 0; i < 6; ++i) std::swap(frame[i], frame[6 + i]);
      check("send", ::send(fd(), frame.data(), static_cast<std::size_t>(length), 0));
    }
  }

 private:
  zcl::user::FileDescriptor socket_;
};

/// Echoes what is in the ring. -> frames
std::size_t echo(Ring& ring) {
  std::size_t frames = 0;
  for (;;) {
    const auto slots = ring.rx().available();
    if (slots.empty()) break;
    for (const auto& slot : slots) {
      if ((slot.flags & ZCL_START_OF_PACKET) != 0) {
        const auto bytes = ring.data(slot);
        for (std::size_t i = 0; i < 6; ++i) std::swap(bytes[i], bytes[6 + i]);
      }
      frames += (slot.flags & ZCL_END_OF_PACKET) != 0 ? 1 : 0;
      while (!ring.forward(slot)) {
        ring.tx().submit();
        ring.sync(ZCL_SYNC_TX);
      }
    }
    ring.tx().submit();
    ring.rx().release(slots.size());
    ring.sync(ZCL_SYNC_TX);
  }
  return frames;
}

void change_mode(Ring& ring, unsigned step) {
  switch (step % 5) {
    case 0:
      return ring.set_mode(ZCL_MODE_RING);
    case 1:
      return ring.set_mode(ZCL_MODE_STACK);
    case 2:
      ring.filter_ethertype(zcl::flow::kEthertype);
      return ring.set_mode(ZCL_MODE_SPLIT);
    case 3:
      return ring.set_mode(ZCL_MODE_RING);
    default:
      ring.filter_nothing();
      return ring.set_mode(ZCL_MODE_SPLIT);
  }
}

int run(const std::string& interface, unsigned buffer_bytes, std::size_t every) {
  PacketSocket socket(interface);
  zcl::user::RingOptions options;
  options.buffer_bytes = buffer_bytes;
  Ring ring(zcl::user::ring_node(interface), options);
  ring.set_mode(ZCL_MODE_RING);
  std::puts("ready");
  std::fflush(stdout);
  std::size_t by_ring = 0, by_stack = 0;
  for (unsigned step = 1;;) {
    std::array<pollfd, 3> waits = {pollfd{ring.file().get(), POLLIN, 0},
                                   pollfd{socket.fd(), POLLIN, 0}, pollfd{0, POLLIN, 0}};
    check("poll", ::poll(waits.data(), waits.size(), -1));
    by_ring += echo(ring);
    by_stack += socket.echo();
    if ((waits[0].revents & (POLLERR | POLLHUP)) != 0 || waits[2].revents != 0) break;
    if (every != 0 && by_ring + by_stack >= step * every) change_mode(ring, step++);
  }
  const auto stats = ring.stats();
  std::printf("ring %zu stack %zu copied %llu full %llu bad %llu\n", by_ring, by_stack,
              static_cast<unsigned long long>(stats.rx_copied),
              static_cast<unsigned long long>(stats.rx_ring_full),
              static_cast<unsigned long long>(stats.rx_bad_tail + stats.rx_bad_buffer +
                                              stats.tx_bad_head + stats.tx_bad_slot));
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) {
    std::fputs("usage: ring_echo INTERFACE BUFFER_BYTES [EVERY]\n", stderr);
    return 2;
  }
  return zcl::user::run_program("ring_echo", [&] {
    return run(argv[1], static_cast<unsigned>(std::stoul(argv[2])),
               argc > 3 ? std::stoul(argv[3]) : 0);
  });
}
