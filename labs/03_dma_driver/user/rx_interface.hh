// SPDX-License-Identifier: MIT
// The network interface of a card that has a kernel driver.
#pragma once

#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>

#include "file_descriptor.hh"

namespace zcl::rx {

/// "eth0". Throws std::runtime_error where the card has no driver.
inline std::string interface_of(const std::string& card) {
  const std::filesystem::path names = card + "/net";
  if (!std::filesystem::exists(names)) throw std::runtime_error(card + " has no interface");
  return std::filesystem::directory_iterator(names)->path().filename();
}

/// Brings it up, without IPv6, whose own frames would be received too. Throws std::system_error.
inline void bring_up(const std::string& interface) {
  std::ofstream("/proc/sys/net/ipv6/conf/" + interface + "/disable_ipv6") << 1 << std::flush;
  const user::FileDescriptor socket(
      user::check("socket", ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)));
  ifreq request{};
  interface.copy(request.ifr_name, sizeof request.ifr_name - 1);
  user::check("SIOCGIFFLAGS", ::ioctl(socket.get(), SIOCGIFFLAGS, &request));
  request.ifr_flags |= IFF_UP;
  user::check("SIOCSIFFLAGS", ::ioctl(socket.get(), SIOCSIFFLAGS, &request));
}

}  // namespace zcl::rx
