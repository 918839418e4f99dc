// SPDX-License-Identifier: MIT
// When packets arrived at an interface: the kernel's own time stamps, taken on reception.
#pragma once

#include <linux/if_packet.h>
#include <net/ethernet.h>

#include <ctime>

#include "udp_socket.hh"

namespace daq {

/// A packet socket with time stamps: sees the IPv4 packets that `interface` receives.
inline int open_packet_clock(const std::string& interface) {
  using zcl::user::check;
  zcl::user::FileDescriptor socket(
      check("socket", ::socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC, htons(ETH_P_IP))));
  // Room for a burst of some thousand small frames.
  const int room = 8 << 20;
  const int on = 1;
  check("setsockopt SO_RCVBUFFORCE",
        ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room));
  check("setsockopt SO_TIMESTAMPNS",
        ::setsockopt(socket.get(), SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on));
  sockaddr_ll address{};
  address.sll_family = AF_PACKET;
  address.sll_protocol = htons(ETH_P_IP);
  address.sll_ifindex = static_cast<int>(::if_nametoindex(interface.c_str()));
  check("bind", ::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address));
  const int clock = ::fcntl(socket.get(), F_DUPFD_CLOEXEC, 0);
  return check("fcntl", clock);
}

/// The time stamps of the next `count` packets, in nanoseconds, separated by spaces.
inline std::string read_packet_clock(int socket, unsigned count) {
  std::string stamps;
  for (unsigned i = 0; i < count; ++i) {
    pollfd wanted{.fd = socket, .events = POLLIN, .revents = 0};
    if (zcl::user::check("poll", ::poll(&wanted, 1, 2000)) == 0) {
      throw std::runtime_error("only " + std::to_string(i) + " packets arrived");
    }
    alignas(cmsghdr) std::byte ancillary[128];
    msghdr packet{};
    packet.msg_control = ancillary;
    packet.msg_controllen = sizeof ancillary;
    zcl::user::check("recvmsg", ::recvmsg(socket, &packet, 0));
    for (auto* header = CMSG_FIRSTHDR(&packet); header != nullptr;
         header = CMSG_NXTHDR(&packet, header)) {
      if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_TIMESTAMPNS) continue;
      timespec stamp{};
      std::memcpy(&stamp, CMSG_DATA(header), sizeof stamp);
      stamps += std::to_string(stamp.tv_sec * 1'000'000'000LL + stamp.tv_nsec) + " ";
    }
  }
  return stamps;
}

}  // namespace daq
