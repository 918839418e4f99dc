// SPDX-License-Identifier: MIT
// The experiments of lab 01. The article's claim for each stands in lab.json.
#pragma once

#include "harness/lab/procedure.hh"

namespace zcl::lab01 {

// experiments_buffer.cc: rows A1, A2
void order_sweep(lab::ExperimentContext& context);
void block_index(lab::ExperimentContext& context);

// experiments_address.cc: rows A6, A7
void translate(lab::ExperimentContext& context);
void iommu(lab::ExperimentContext& context);
void address(lab::ExperimentContext& context);
void proc_format(lab::ExperimentContext& context);

// experiments_legacy.cc: rows A3, A4
void strings(lab::ExperimentContext& context);
void legacy_overrun(lab::ExperimentContext& context);
void legacy_full(lab::ExperimentContext& context);
void legacy_order(lab::ExperimentContext& context);

// experiments_receive.cc: rows A4, A5, A10
void legacy_copies(lab::ExperimentContext& context);
void tap(lab::ExperimentContext& context);
void hand_over(lab::ExperimentContext& context);
void classic_path(lab::ExperimentContext& context);

}  // namespace zcl::lab01
