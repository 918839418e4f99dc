// SPDX-License-Identifier: MIT
// A TCP connection over a real cable between two interfaces of one machine: the second one goes
// into a network namespace of its own.
//
//   tcp_transfer IF_A IF_B MIB [sendfile]
//
// Sends MIB MiB of random bytes from A to B, by write(2) or by sendfile(2) from a file in memory,
// and compares what arrived. Prints "intact BYTES". B stays in the namespace until the program
// ends.
#include <arpa/inet.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include "labs/common/user/file_descriptor.hh"

namespace {

using zcl::user::check;
using zcl::user::FileDescriptor;

constexpr std::uint16_t kPort = 5001;
constexpr const char* kAddressA = "10.9.0.1";
constexpr const char* kAddressB = "10.9.0.2";

sockaddr_in address_of(const char* text, std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  check("inet_pton", ::inet_pton(AF_INET, text, &address.sin_addr));
  return address;
}

void set_address(const std::string& interface, const char* text) {
  const FileDescriptor socket(check("socket", ::socket(AF_INET, SOCK_DGRAM, 0)));
  ifreq request{};
  interface.copy(request.ifr_name, IFNAMSIZ - 1);
  const auto address = address_of(text, 0);
  std::memcpy(&request.ifr_addr, &address, sizeof address);
  check("SIOCSIFADDR", ::ioctl(socket.get(), SIOCSIFADDR, &request));
  request.ifr_flags = IFF_UP | IFF_RUNNING;
  check("SIOCSIFFLAGS", ::ioctl(socket.get(), SIOCSIFFLAGS, &request));
}

/// RTM_SETLINK with IFLA_NET_NS_PID.
void move_interface(const std::string& interface, pid_t to) {
  struct {
    nlmsghdr header;
    ifinfomsg link;
    rtattr attribute;
    std::uint32_t pid;
  } request{};
  request.header.nlmsg_len = sizeof request;
  request.header.nlmsg_type = RTM_NEWLINK;
  request.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
  request.link.ifi_index = static_cast<int>(::if_nametoindex(interface.c_str()));
  request.attribute.rta_type = IFLA_NET_NS_PID;
  request.attribute.rta_len = RTA_LENGTH(sizeof request.pid);
  request.pid = static_cast<std::uint32_t>(to);
  const FileDescriptor socket(check("socket", ::socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE)));
  check("send", ::send(socket.get(), &request, sizeof request, 0));
  struct {
    nlmsghdr header;
    nlmsgerr error;
    char rest[256];
  } answer{};
  check("recv", ::recv(socket.get(), &answer, sizeof answer, 0));
  if (answer.error.error != 0) {
    errno = -answer.error.error;
    zcl::user::throw_errno("moving " + interface);
  }
}

std::vector<char> payload(std::size_t bytes) {
  std::vector<char> content(bytes);
  std::uint64_t state = 88172645463325252U;  // xorshift64
  for (auto& byte : content) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    byte = static_cast<char>(state);
  }
  return content;
}

/// The receiving side. Tells `ready` when it has its own namespace and when it listens.
int receive(int interface_moved, int ready, const std::string& interface, std::size_t bytes) {
  check("unshare", ::unshare(CLONE_NEWNET));
  check("write", ::write(ready, "n", 1));
  char ignored = 0;
  check("read", ::read(interface_moved, &ignored, 1));
  set_address(interface, kAddressB);
  const FileDescriptor listener(check("socket", ::socket(AF_INET, SOCK_STREAM, 0)));
  const auto address = address_of(kAddressB, kPort);
  check("bind",
        ::bind(listener.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address));
  check("listen", ::listen(listener.get(), 1));
  check("write", ::write(ready, "l", 1));
  const FileDescriptor connection(check("accept", ::accept(listener.get(), nullptr, nullptr)));
  const auto expected = payload(bytes);
  std::vector<char> buffer(1 << 16);
  std::size_t offset = 0;
  for (;;) {
    const auto length = check("read", ::read(connection.get(), buffer.data(), buffer.size()));
    if (length == 0) break;
    const auto size = static_cast<std::size_t>(length);
    if (offset + size > bytes || std::memcmp(buffer.data(), expected.data() + offset, size) != 0) {
      throw std::runtime_error("wrong bytes behind " + std::to_string(offset));
    }
    offset += size;
  }
  if (offset != bytes) throw std::runtime_error("only " + std::to_string(offset) + " bytes");
  std::printf("intact %zu\n", offset);
  return 0;
}

void send_all(int connection, const std::vector<char>& content, bool by_sendfile) {
  std::size_t offset = 0;
  if (by_sendfile) {
    const FileDescriptor file(check("memfd_create", ::memfd_create("payload", 0)));
    for (std::size_t at = 0; at < content.size();) {
      at += static_cast<std::size_t>(
          check("write", ::write(file.get(), content.data() + at, content.size() - at)));
    }
    off_t position = 0;
    while (static_cast<std::size_t>(position) < content.size()) {
      check("sendfile", ::sendfile(connection, file.get(), &position,
                                   content.size() - static_cast<std::size_t>(position)));
    }
    return;
  }
  while (offset < content.size()) {
    offset += static_cast<std::size_t>(
        check("write", ::write(connection, content.data() + offset, content.size() - offset)));
  }
}

int run(const std::vector<std::string>& words) {
  if (words.size() < 3) throw std::runtime_error("IF_A IF_B MIB [sendfile]");
  const std::size_t bytes = std::stoul(words[2]) << 20;
  int moved[2], ready[2];
  check("pipe", ::pipe(moved));
  check("pipe", ::pipe(ready));
  const pid_t child = check("fork", ::fork());
  if (child == 0) {
    std::_Exit(zcl::user::run_program("tcp_transfer (receiver)", [&] {
      const int status = receive(moved[0], ready[1], words[1], bytes);
      std::fflush(stdout);
      return status;
    }));
  }
  char ignored = 0;
  check("read", ::read(ready[0], &ignored, 1));
  move_interface(words[1], child);
  check("write", ::write(moved[1], "m", 1));
  set_address(words[0], kAddressA);
  check("read", ::read(ready[0], &ignored, 1));
  {
    const FileDescriptor connection(check("socket", ::socket(AF_INET, SOCK_STREAM, 0)));
    const auto address = address_of(kAddressB, kPort);
    check("connect",
          ::connect(connection.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address));
    send_all(connection.get(), payload(bytes), words.size() > 3 && words[3] == "sendfile");
  }
  int status = 0;
  check("waitpid", ::waitpid(child, &status, 0));
  return status == 0 ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  return zcl::user::run_program("tcp_transfer", [&] { return run({argv + 1, argv + argc}); });
}
