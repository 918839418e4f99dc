// SPDX-License-Identifier: MIT
// A UDP socket that can send user pages without copying them, and tell whether the kernel did.
// Source: Documentation/networking/msg_zerocopy.rst.
#pragma once

#include <arpa/inet.h>
#include <linux/errqueue.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "file_descriptor.hh"
#include "text_protocol.hh"

namespace daq {

using zcl::user::Bytes;

inline sockaddr_in ipv4_address(const std::string& address, std::uint16_t port) {
  sockaddr_in socket_address{};
  socket_address.sin_family = AF_INET;
  socket_address.sin_port = htons(port);
  if (::inet_pton(AF_INET, address.c_str(), &socket_address.sin_addr) != 1) {
    throw std::invalid_argument("not an IPv4 address: " + address);
  }
  return socket_address;
}

/// A connected UDP socket.
inline zcl::user::FileDescriptor connect_udp(const std::string& address, std::uint16_t port) {
  using zcl::user::check;
  zcl::user::FileDescriptor socket(
      check("socket", ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)));
  const auto to = ipv4_address(address, port);
  check("connect", ::connect(socket.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to));
  return socket;
}

/// A permanent ARP entry, so that sending waits for nobody.
inline void add_neighbour(const std::string& interface, const std::string& address,
                          const Bytes& mac) {
  using zcl::user::check;
  if (mac.size() != 6) throw std::invalid_argument("a MAC address has 6 bytes");
  arpreq request{};
  const auto to = ipv4_address(address, 0);
  std::memcpy(&request.arp_pa, &to, sizeof to);
  request.arp_ha.sa_family = ARPHRD_ETHER;
  std::memcpy(request.arp_ha.sa_data, mac.data(), mac.size());
  request.arp_flags = ATF_PERM | ATF_COM;
  interface.copy(request.arp_dev, sizeof request.arp_dev - 1);
  const zcl::user::FileDescriptor socket(
      check("socket", ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)));
  check("ioctl SIOCSARP", ::ioctl(socket.get(), SIOCSARP, &request));
}

}  // namespace daq
