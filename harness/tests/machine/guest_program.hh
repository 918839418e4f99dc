// SPDX-License-Identifier: MIT
// The programs of harness/tests/guest, inside a guest.
#pragma once

#include <cstdint>
#include <string>

#include "harness/base/deadline.hh"
#include "harness/base/paths.hh"
#include "harness/vm/machine.hh"

namespace zcl::vm {

/// QEMU's e1000 receives nothing for a second of guest time after its driver has set it up; with
/// some room, in ns.
inline constexpr std::uint64_t kReceptionHold = 1'500'000'000;

/// Puts the program into the guest and returns its path there.
inline std::string install_guest_program(Machine& machine, const std::string& name) {
  const std::string path = "/tmp/" + name;
  machine.agent().put_file(path, base::read_file(base::build_root() / "guest" / name), 0755);
  return path;
}

/// Waits until the interface's driver has seen its link: before that it sends nothing.
inline void wait_for_carrier(Machine& machine, const std::string& interface,
                             const base::Deadline& deadline) {
  constexpr std::uint64_t kPollInterval = 100'000'000;  // of guest time
  const std::string carrier = "/sys/class/net/" + interface + "/carrier";
  while (machine.agent().get_text(carrier) != "1") {
    if (deadline.passed()) throw base::DeadlinePassed(deadline);
    machine.agent().sleep_ns(kPollInterval);
  }
}

}  // namespace zcl::vm
