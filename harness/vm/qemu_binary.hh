// SPDX-License-Identifier: MIT
// The QEMU that is installed here.
#pragma once

#include <string>

namespace zcl::vm {

struct QemuBinary {
  std::string path;
  std::string version;  ///< "7.2.22 (Debian 1:7.2+dfsg-7+deb12u18)"
};

/// Finds it in PATH and asks it once (the answer is cached until the file changes). Throws
/// EnvironmentError when it is missing, does not run, or is older than 7.2.
const QemuBinary& qemu_binary();

/// The two leading numbers of a version ("7.2.22" -> 7, 2) are at least 7.2.
bool is_new_enough(const std::string& version);

}  // namespace zcl::vm
