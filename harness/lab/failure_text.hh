// SPDX-License-Identifier: MIT
// How a failed procedure is put to a person.
#pragma once

#include <exception>
#include <string>

#include "harness/vm/guest_fault.hh"

namespace zcl::lab {

/// The fault's kind, the place in the module's source where there is one, and the console's tail.
std::string describe(const vm::FaultReport& fault);

/// What the exception that is being handled says of the student's work, or of the environment.
struct Failure {
  bool environment = false;  ///< nothing can be said of the work
  std::string message;
};

/// To be called in a catch block.
Failure classify_current_exception();

}  // namespace zcl::lab
