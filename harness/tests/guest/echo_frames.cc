// SPDX-License-Identifier: MIT
// Sends flow frames back to where they came from, through a packet socket and whatever driver the
// interface has.
//
//   echo_frames INTERFACE
//
// Says "ready" once it listens; ends when its standard input ends, and says how many it sent back.
#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <cstdio>
#include <utility>

#include "labs/common/user/flow_frame.hh"

namespace {

constexpr std::size_t kLargestFrame = 65536;
constexpr int kReceiveBuffer = 8 << 20;

int open_socket(const char* interface) {
  const std::uint16_t protocol = htons(zcl::flow::kEthertype);
  const int fd = ::socket(AF_PACKET, SOCK_RAW, protocol);
  if (fd < 0) return -1;
  ::setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &kReceiveBuffer, sizeof kReceiveBuffer);
  sockaddr_ll address{};
  address.sll_family = AF_PACKET;
  address.sll_protocol = protocol;
  address.sll_ifindex = static_cast<int>(::if_nametoindex(interface));
  if (::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) return -1;
  return fd;
}

/// One frame back; false on an error.
bool echo(int fd) {
  static std::array<std::uint8_t, kLargestFrame> frame;
  const ssize_t length = ::recv(fd, frame.data(), frame.size(), 0);
  if (length < 14) return false;
  for (std::size_t i = 0; i < 6; ++i) std::swap(frame[i], frame[6 + i]);
  return ::send(fd, frame.data(), static_cast<std::size_t>(length), 0) == length;
}

}  // namespace

int main(int argc, char** argv) {
  const int fd = argc == 2 ? open_socket(argv[1]) : -1;
  if (fd < 0) {
    std::perror("echo_frames INTERFACE");
    return 1;
  }
  std::puts("ready");
  std::fflush(stdout);
  unsigned long echoed = 0;
  std::array<pollfd, 2> waits = {pollfd{fd, POLLIN, 0}, pollfd{STDIN_FILENO, POLLIN, 0}};
  while (::poll(waits.data(), waits.size(), -1) > 0) {
    if (waits[0].revents != 0) {
      if (!echo(fd)) return 1;
      ++echoed;
    } else if (waits[1].revents != 0) {
      break;
    }
  }
  std::printf("echoed %lu\n", echoed);
  return 0;
}
