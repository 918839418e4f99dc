// SPDX-License-Identifier: MIT
// How a failed procedure is put to a person.
#pragma once

#include <exception>
#include <string>

#include "harness/lab/build.hh"
#include "harness/vm/guest_fault.hh"

namespace zcl::lab {

/// The fault, its call trace with file and line in the sources of `built`, and the console's tail.
std::string describe(vm::FaultReport fault, const BuiltLab& built);

/// What the exception that is being handled says of the student's work, or of the environment.
struct Failure {
  bool environment = false;  ///< nothing can be said of the work
  std::string message;
};

/// To be called in a catch block.
Failure classify_current_exception(const BuiltLab& built);

}  // namespace zcl::lab
