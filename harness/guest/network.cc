// SPDX-License-Identifier: MIT
#include "harness/guest/network.hh"

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cstring>
#include <filesystem>
#include <sstream>

#include "harness/guest/descriptor.hh"
#include "harness/guest/files.hh"
#include "harness/guest/request_error.hh"

namespace zcl::guest {

namespace {

namespace fs = std::filesystem;

ifreq request_for(const std::string& interface) {
  ifreq request{};
  if (interface.empty() || interface.size() >= IFNAMSIZ) refuse("interface " + interface, EINVAL);
  std::memcpy(request.ifr_name, interface.data(), interface.size());
  return request;
}

class ControlSocket {
 public:
  ControlSocket() : socket_(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    if (!socket_.valid()) refuse("socket");
  }
  void call(unsigned long number, ifreq& request, const std::string& what) const {
    if (::ioctl(socket_.get(), number, &request) < 0) refuse(what);
  }

 private:
  Descriptor socket_;
};

void set_up_flag(const ControlSocket& socket, const std::string& interface, bool up) {
  ifreq request = request_for(interface);
  socket.call(SIOCGIFFLAGS, request, "flags of " + interface);
  const int flags = up ? request.ifr_flags | IFF_UP : request.ifr_flags & ~IFF_UP;
  request.ifr_flags = static_cast<short>(flags);
  socket.call(SIOCSIFFLAGS, request, interface + (up ? " up" : " down"));
}

ifreq request_with_address(const std::string& interface, in_addr address) {
  ifreq request = request_for(interface);
  sockaddr_in socket_address{};
  socket_address.sin_family = AF_INET;
  socket_address.sin_addr = address;
  std::memcpy(&request.ifr_addr, &socket_address, sizeof socket_address);
  return request;
}

/// The first entry of `directory` whose name ends with `ending`.
fs::path entry_ending(const fs::path& directory, const std::string& ending) {
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(directory, ignored)) {
    if (entry.path().filename().string().ends_with(ending)) return entry.path();
  }
  return {};
}

fs::path first_entry(const fs::path& directory) {
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(directory, ignored)) return entry.path();
  return {};
}

}  // namespace

void interface_up(const std::string& interface, const std::string& address, unsigned prefix) {
  const ControlSocket socket;
  if (!address.empty()) {
    in_addr parsed{};
    if (::inet_pton(AF_INET, address.c_str(), &parsed) != 1 || prefix > 32) {
      refuse("address " + address, EINVAL);
    }
    ifreq request = request_with_address(interface, parsed);
    socket.call(SIOCSIFADDR, request, "address of " + interface);
    in_addr mask{};
    mask.s_addr = prefix == 0 ? 0 : htonl(~std::uint32_t{0} << (32 - prefix));
    request = request_with_address(interface, mask);
    socket.call(SIOCSIFNETMASK, request, "netmask of " + interface);
  }
  set_up_flag(socket, interface, true);
}

void interface_down(const std::string& interface) {
  set_up_flag(ControlSocket(), interface, false);
}

std::string interface_at(const std::string& slot) {
  fs::path device = "/sys/devices/pci0000:00";
  std::istringstream steps(slot);
  for (std::string step; std::getline(steps, step, '/');) {
    device = entry_ending(device, ":" + step);
    if (device.empty()) refuse("no PCI device at " + slot, ENOENT);
  }
  fs::path net = first_entry(device / "net");
  if (net.empty()) {
    std::error_code ignored;  // a virtio device stands between the PCI device and its interface
    for (const auto& entry : fs::directory_iterator(device, ignored)) {
      if (entry.path().filename().string().starts_with("virtio")) {
        net = first_entry(entry.path() / "net");
      }
    }
  }
  if (net.empty()) refuse("no interface at PCI slot " + slot, ENODEV);
  return net.filename().string();
}

void pci_remove(const std::string& address) {
  if (address.find('/') != std::string::npos) refuse("PCI address " + address, EINVAL);
  write_text("/sys/bus/pci/devices/" + address + "/remove", "1");
}

void pci_rescan() {
  write_text("/sys/bus/pci/rescan", "1");
}

}  // namespace zcl::guest
