// SPDX-License-Identifier: MIT
// The checks of this lab, one function an id of lab.json.
#pragma once

#include "harness/lab/procedure.hh"

namespace zcl::lab02 {

// check_address.cc
void check_address(lab::CheckContext& context);
void check_refuse_ram(lab::CheckContext& context);
// check_mmap.cc
void check_remap(lab::CheckContext& context);
void check_remap_bounds(lab::CheckContext& context);
void check_fault(lab::CheckContext& context);
void check_pages(lab::CheckContext& context);
// check_lifetime.cc
void check_unload(lab::CheckContext& context);
void check_mapping_lives(lab::CheckContext& context);
// check_dma.cc
void check_dma(lab::CheckContext& context);
void check_dma_bounds(lab::CheckContext& context);
void check_dma_iommu(lab::CheckContext& context);
// check_send.cc
void check_send(lab::CheckContext& context);

}  // namespace zcl::lab02
