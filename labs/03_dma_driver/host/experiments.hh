// SPDX-License-Identifier: MIT
// The experiments of this lab, one function an id of lab.json.
#pragma once

#include "harness/lab/procedure.hh"

namespace zcl::lab03 {

void compare_receivers(lab::ExperimentContext& context);  // experiment_receive.cc

}  // namespace zcl::lab03
