// SPDX-License-Identifier: MIT
// A packet socket that sees only the x-ray's frame.
#pragma once

#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <sys/socket.h>

#include "harness/xray/guest/receiver.hh"
#include "labs/common/user/file_descriptor.hh"

namespace zcl::receiver {

/// Not bound yet, so that nothing arrives while it is being set up. Throws std::system_error.
inline user::FileDescriptor open_packet_socket() {
  return user::FileDescriptor(
      user::check("socket", ::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0)));
}

inline void bind_packet_socket(const user::FileDescriptor& socket, unsigned interface_index) {
  sockaddr_ll address{};
  address.sll_family = AF_PACKET;
  address.sll_protocol = htons(kEthertype);
  address.sll_ifindex = static_cast<int>(interface_index);
  user::check("bind",
              ::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address));
}

}  // namespace zcl::receiver
