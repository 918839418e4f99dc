// SPDX-License-Identifier: MIT
// How a test's output names a lab.
#pragma once

#include <ostream>

#include "harness/lab/declaration.hh"

namespace zcl::lab {

inline void PrintTo(const Lab& lab, std::ostream* out) {
  *out << lab.id;
}

}  // namespace zcl::lab
