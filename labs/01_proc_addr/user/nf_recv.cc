// SPDX-License-Identifier: MIT
// The classic way to receive: one recvfrom a packet (row A10).
//
//   nf_recv INTERFACE COUNT [each]
//
// Receives COUNT frames of the experiment's protocol and then holds the last one in its buffer
// until standard input ends. each: one line a frame as it comes.
#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <sys/socket.h>

#include <cstring>
#include <vector>

#include "count_mark.hh"
#include "file_descriptor.hh"
#include "nf_lab.h"
#include "print_record.hh"

namespace {

using namespace zcl::user;

constexpr std::uint16_t kExperimentProtocol = 0x88b5;
constexpr std::size_t kLongestFrame = 2048;

FileDescriptor open_packet_socket(const char* interface) {
  FileDescriptor socket(
      check("socket", ::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(kExperimentProtocol))));
  sockaddr_ll address{};
  address.sll_family = AF_PACKET;
  address.sll_protocol = htons(kExperimentProtocol);
  address.sll_ifindex = static_cast<int>(::if_nametoindex(interface));
  if (address.sll_ifindex == 0) throw_errno(std::string("interface ") + interface);
  // A burst from the wire must not be lost for want of room.
  const int room = 8 << 20;
  check("setsockopt", ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room));
  check("bind", ::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address));
  return socket;
}

int receive(const char* interface, unsigned long count, bool each) {
  const FileDescriptor socket = open_packet_socket(interface);
  std::vector<std::byte> frame(kLongestFrame);
  std::puts("ready");
  std::fflush(stdout);
  ssize_t length = 0;
  count_mark<NF_MARK_BEGIN>();
  for (unsigned long i = 0; i < count; ++i) {
    length = check("recvfrom",
                   ::recvfrom(socket.get(), frame.data(), frame.size(), 0, nullptr, nullptr));
    if (each) {
      std::printf("%zd\n", length);
      std::fflush(stdout);
    }
  }
  count_mark<NF_MARK_END>();
  std::printf("received %lu, the last has %zd bytes\n", count, length);
  hold_until_end_of_input();
  return EXIT_SUCCESS;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) {
    std::fputs("usage: nf_recv INTERFACE COUNT [each]\n", stderr);
    return EXIT_FAILURE;
  }
  const bool each = argc > 3 && std::strcmp(argv[3], "each") == 0;
  return run_program("nf_recv",
                     [&] { return receive(argv[1], std::strtoul(argv[2], nullptr, 10), each); });
}
