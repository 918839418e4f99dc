// SPDX-License-Identifier: MIT
// The programs of harness/tests/guest, inside a guest.
#pragma once

#include <string>

#include "harness/base/paths.hh"
#include "harness/vm/machine.hh"

namespace zcl::vm {

/// Puts the program into the guest and returns its path there.
inline std::string install_guest_program(Machine& machine, const std::string& name) {
  const std::string path = "/tmp/" + name;
  machine.agent().put_file(path, base::read_file(base::build_root() / "guest" / name), 0755);
  return path;
}

}  // namespace zcl::vm
