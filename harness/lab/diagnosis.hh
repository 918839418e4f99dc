// SPDX-License-Identifier: MIT
// What the harness needs of this computer, and what of it is there.
#pragma once

#include <string>
#include <vector>

#include "harness/lab/procedure.hh"

namespace zcl::lab {

struct Finding {
  enum class Status {
    fine,
    limited,  ///< something works less well, or not at all, but labs run
    missing,  ///< labs cannot run
  };
  std::string subject;  ///< "QEMU"
  Status status = Status::fine;
  std::string detail;  ///< what was found, or what is wrong
  std::string remedy;  ///< what to do about it; empty when fine
};

/// Looks at everything within a second or two. Starts no machine, except where KVM is to be proved.
std::vector<Finding> diagnose(const RunOptions& options);

std::string to_string(Finding::Status status);

}  // namespace zcl::lab
