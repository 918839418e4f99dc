// SPDX-License-Identifier: MIT
// The graded checks of lab 01. What each one asks stands in lab.json.
#pragma once

#include "harness/lab/procedure.hh"

namespace zcl::lab01 {

// checks_memory.cc
void check_alloc(lab::CheckContext& context);
void check_alloc_zeroed(lab::CheckContext& context);
void check_alloc_errors(lab::CheckContext& context);
void check_free(lab::CheckContext& context);
void check_export(lab::CheckContext& context);
void check_export_wide(lab::CheckContext& context);
void check_find(lab::CheckContext& context);
void check_find_cost(lab::CheckContext& context);

// checks_ring.cc
void check_write(lab::CheckContext& context);
void check_write_order(lab::CheckContext& context);
void check_write_trust(lab::CheckContext& context);
void check_read(lab::CheckContext& context);
void check_read_length(lab::CheckContext& context);

}  // namespace zcl::lab01
