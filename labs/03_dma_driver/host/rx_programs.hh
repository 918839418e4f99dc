// SPDX-License-Identifier: MIT
// The receivers of user/rx_*.cc, and their programs, built.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "harness/vm/machine.hh"

namespace zcl::lab03 {

struct RxReceiver {
  std::string name;      ///< as the program knows it
  std::string program;   ///< "rx_sockets"
  bool sleeps = true;    ///< it can wait for a packet; one that is busy is not measured paced
  bool by_stack = true;  ///< the kernel's network stack sees the packets too
  bool ours = false;     ///< receives through lab 03's driver, not the stock one
  std::string package;   ///< Debian package that its build needs beyond the project's own, or empty
};

/// In the order of a table: lower bound, lab 03's ring, kernel bypass, the kernel's own ways.
const std::vector<RxReceiver>& rx_receivers();

/// Why it cannot be measured here, where a package is missing.
std::optional<std::string> unavailable(const RxReceiver& receiver);

/// Builds the receiver's program, once a process, from a staged copy of the lab's sources. Throws
/// EnvironmentError where it does not build.
const std::filesystem::path& rx_program(const RxReceiver& receiver);

/// A fresh machine for it, with lab 03's modules loaded where it is `ours`. Throws EnvironmentError
/// where they do not build.
vm::Machine start_rx_machine(const RxReceiver& receiver, const std::string& kernel = "6.1");

}  // namespace zcl::lab03
