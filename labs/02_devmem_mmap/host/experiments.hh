// SPDX-License-Identifier: MIT
// The experiments of this lab, one function an id of lab.json.
#pragma once

#include "harness/lab/procedure.hh"

namespace zcl::lab02 {

void compare_ways(lab::ExperimentContext& context);         // experiment_ways.cc
void show_osync(lab::ExperimentContext& context);           // experiment_osync.cc
void show_reserved_mark(lab::ExperimentContext& context);   // experiment_reserved_mark.cc
void show_unload(lab::ExperimentContext& context);          // experiment_unload.cc
void measure_pipeline(lab::ExperimentContext& context);     // experiment_pipeline.cc
void try_zero_copy_sends(lab::ExperimentContext& context);  // experiment_zero_copy_send.cc
void measure_jitter(lab::ExperimentContext& context);       // experiment_jitter.cc
void measure_jitter_busy(lab::ExperimentContext& context);  // experiment_jitter.cc

}  // namespace zcl::lab02
