// SPDX-License-Identifier: MIT
// What ethtool and ip do, as far as the tests need it:
//
//   nic_control driver IF             name of the driver
//   nic_control ring IF [RX TX]       sets the rings' sizes; prints them
//   nic_control set IF tx|sg|rx 0|1   an offload
//   nic_control stats IF              a line "name value" for each counter of the driver
//   nic_control renegotiate IF        the link
//   nic_control multicast IF MAC      joins the group
//   nic_control broadcast IF COUNT    queues so many frames, whether the card sends them or not
#include <arpa/inet.h>
#include <linux/ethtool.h>
#include <linux/if_packet.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cstdint>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include "labs/common/user/file_descriptor.hh"

namespace {

using zcl::user::check;

class Interface {
 public:
  explicit Interface(const std::string& name)
      : name_(name), socket_(check("socket", ::socket(AF_INET, SOCK_DGRAM, 0))) {}

  void ethtool(const char* what, void* command) const {
    ifreq request = named();
    request.ifr_data = static_cast<char*>(command);
    check(what, ::ioctl(socket_.get(), SIOCETHTOOL, &request));
  }
  void join(const char* mac) const {
    ifreq request = named();
    unsigned bytes[6];
    if (std::sscanf(mac, "%x:%x:%x:%x:%x:%x", &bytes[0], &bytes[1], &bytes[2], &bytes[3], &bytes[4],
                    &bytes[5]) != 6) {
      throw std::runtime_error("no MAC address");
    }
    for (int i = 0; i < 6; ++i) request.ifr_hwaddr.sa_data[i] = static_cast<char>(bytes[i]);
    check("SIOCADDMULTI", ::ioctl(socket_.get(), SIOCADDMULTI, &request));
  }

 private:
  ifreq named() const {
    ifreq request{};
    name_.copy(request.ifr_name, IFNAMSIZ - 1);
    return request;
  }
  std::string name_;
  zcl::user::FileDescriptor socket_;
};

void print_driver(const Interface& interface) {
  ethtool_drvinfo info{};
  info.cmd = ETHTOOL_GDRVINFO;
  interface.ethtool("ETHTOOL_GDRVINFO", &info);
  std::printf("%s\n", info.driver);
}

void ring(const Interface& interface, const std::vector<std::string>& sizes) {
  ethtool_ringparam ring{};
  ring.cmd = ETHTOOL_GRINGPARAM;
  interface.ethtool("ETHTOOL_GRINGPARAM", &ring);
  if (sizes.size() == 2) {
    ring.cmd = ETHTOOL_SRINGPARAM;
    ring.rx_pending = static_cast<std::uint32_t>(std::stoul(sizes[0]));
    ring.tx_pending = static_cast<std::uint32_t>(std::stoul(sizes[1]));
    interface.ethtool("ETHTOOL_SRINGPARAM", &ring);
    ring.cmd = ETHTOOL_GRINGPARAM;
    interface.ethtool("ETHTOOL_GRINGPARAM", &ring);
  }
  std::printf("%u %u\n", ring.rx_pending, ring.tx_pending);
}

void set_offload(const Interface& interface, const std::string& which, const std::string& value) {
  ethtool_value command{};
  command.cmd = which == "tx" ? ETHTOOL_STXCSUM : which == "sg" ? ETHTOOL_SSG : ETHTOOL_SRXCSUM;
  command.data = value == "1" ? 1 : 0;
  interface.ethtool("switching an offload", &command);
}

void print_stats(const Interface& interface) {
  ethtool_drvinfo info{};
  info.cmd = ETHTOOL_GDRVINFO;
  interface.ethtool("ETHTOOL_GDRVINFO", &info);
  std::vector<char> names(sizeof(ethtool_gstrings) + info.n_stats * ETH_GSTRING_LEN);
  auto* strings = reinterpret_cast<ethtool_gstrings*>(names.data());
  strings->cmd = ETHTOOL_GSTRINGS;
  strings->string_set = ETH_SS_STATS;
  strings->len = info.n_stats;
  interface.ethtool("ETHTOOL_GSTRINGS", strings);
  std::vector<std::uint64_t> values(1 + info.n_stats);
  auto* stats = reinterpret_cast<ethtool_stats*>(values.data());
  stats->cmd = ETHTOOL_GSTATS;
  stats->n_stats = info.n_stats;
  interface.ethtool("ETHTOOL_GSTATS", stats);
  for (std::uint32_t i = 0; i < info.n_stats; ++i) {
    std::printf("%.32s %llu\n", names.data() + sizeof(ethtool_gstrings) + i * ETH_GSTRING_LEN,
                static_cast<unsigned long long>(values[1 + i]));
  }
}

void renegotiate(const Interface& interface) {
  ethtool_value command{};
  command.cmd = ETHTOOL_NWAY_RST;
  interface.ethtool("ETHTOOL_NWAY_RST", &command);
}

void broadcast(const std::string& interface, unsigned count) {
  constexpr std::uint16_t kExperimental = 0x88b5;
  constexpr int kSendBuffer = 8 << 20;
  const zcl::user::FileDescriptor socket(check("socket", ::socket(AF_PACKET, SOCK_DGRAM, 0)));
  check("SO_SNDBUFFORCE",
        ::setsockopt(socket.get(), SOL_SOCKET, SO_SNDBUFFORCE, &kSendBuffer, sizeof kSendBuffer));
  sockaddr_ll to{};
  to.sll_family = AF_PACKET;
  to.sll_protocol = htons(kExperimental);
  to.sll_ifindex = static_cast<int>(::if_nametoindex(interface.c_str()));
  to.sll_halen = 6;
  std::memset(to.sll_addr, 0xff, 6);
  const std::vector<char> payload(100);
  for (unsigned i = 0; i < count; ++i) {
    check("sendto", ::sendto(socket.get(), payload.data(), payload.size(), 0,
                             reinterpret_cast<const sockaddr*>(&to), sizeof to));
  }
}

int run(const std::vector<std::string>& words) {
  if (words.size() < 2) throw std::runtime_error("COMMAND IF ...");
  const Interface interface(words[1]);
  if (words[0] == "driver") {
    print_driver(interface);
  } else if (words[0] == "ring") {
    ring(interface, {words.begin() + 2, words.end()});
  } else if (words[0] == "set" && words.size() == 4) {
    set_offload(interface, words[2], words[3]);
  } else if (words[0] == "stats") {
    print_stats(interface);
  } else if (words[0] == "renegotiate") {
    renegotiate(interface);
  } else if (words[0] == "multicast" && words.size() == 3) {
    interface.join(words[2].c_str());
  } else if (words[0] == "broadcast" && words.size() == 3) {
    broadcast(words[1], static_cast<unsigned>(std::stoul(words[2])));
  } else {
    throw std::runtime_error("no such command");
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  return zcl::user::run_program("nic_control", [&] { return run({argv + 1, argv + argc}); });
}
