// SPDX-License-Identifier: MIT
// The receivers of user/rx_*.cc, and their programs, built.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace zcl::lab03 {

struct RxReceiver {
  std::string name;     ///< as the program knows it
  std::string program;  ///< "rx_sockets"
  std::string package;  ///< Debian package that its build needs beyond the project's own, or empty
  bool sleeps = true;   ///< it can wait for a packet; one that is busy is not measured paced
};

/// In the order of a table: lower bound, kernel bypass, then the kernel's own ways.
const std::vector<RxReceiver>& rx_receivers();

/// Builds the receiver's program, once a process, from a staged copy of the lab's sources. Throws
/// EnvironmentError that says which package is missing, where one is.
const std::filesystem::path& rx_program(const RxReceiver& receiver);

}  // namespace zcl::lab03
