// SPDX-License-Identifier: MIT
// Receives one frame and keeps it. Usage: zcl_xray_receiver METHOD INTERFACE
//
// Prints "ready" when a frame may come and "received N" when it has; ends when its standard input
// does.
#include <net/if.h>

#include <array>
#include <cstdio>
#include <string>

#include "harness/xray/guest/receiver.hh"
#include "labs/common/user/system_call.hh"

namespace {

using zcl::receiver::MakeReceiver;

struct Method {
  const char* name;
  MakeReceiver make;
};

const std::array kMethods{
    Method{"read", zcl::receiver::make_read},
    Method{"recvfrom", zcl::receiver::make_recvfrom},
    Method{"recvmmsg", zcl::receiver::make_recvmmsg},
    Method{"packet_mmap", zcl::receiver::make_packet_mmap_v3},
    Method{"packet_mmap_v2", zcl::receiver::make_packet_mmap_v2},
};

void say(const std::string& line) {
  // Not stdio: its buffer lives on, and the host looks for bytes in all of memory.
  zcl::user::check("write", ::write(STDOUT_FILENO, line.data(), line.size()));
}

const Method* find_method(const std::string& name) {
  for (const Method& method : kMethods) {
    if (name == method.name) return &method;
  }
  return nullptr;
}

int run(int argc, char** argv) {
  const Method* method = argc == 3 ? find_method(argv[1]) : nullptr;
  if (method == nullptr) {
    std::fprintf(stderr, "usage: zcl_xray_receiver METHOD INTERFACE\nmethods:");
    for (const Method& each : kMethods) std::fprintf(stderr, " %s", each.name);
    std::fprintf(stderr, "\n");
    return 2;
  }
  const unsigned index = ::if_nametoindex(argv[2]);
  if (index == 0) zcl::user::throw_errno(argv[2]);
  const auto receiver = method->make(index);
  say("ready\n");
  say("received " + std::to_string(receiver->receive()) + "\n");
  char byte = 0;
  while (zcl::user::check("read", ::read(STDIN_FILENO, &byte, 1)) > 0) {
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  return zcl::user::run_program("zcl_xray_receiver", [&] { return run(argc, argv); });
}
