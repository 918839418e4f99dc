// SPDX-License-Identifier: MIT
// The checks of this lab, one function an id of lab.json.
#pragma once

#include "harness/lab/procedure.hh"

namespace zcl::lab03 {

// checks_chip.cc
void check_chip(lab::CheckContext& context);
void check_rx_ring(lab::CheckContext& context);
void check_dma(lab::CheckContext& context);
void check_clean(lab::CheckContext& context);
void check_interrupt(lab::CheckContext& context);
// checks_queue.cc
void check_queue(lab::CheckContext& context);
void check_full(lab::CheckContext& context);
// checks_memory.cc
void check_mmap(lab::CheckContext& context);
void check_lifetime(lab::CheckContext& context);
// checks_receive.cc
void check_receive(lab::CheckContext& context);
void check_recycle(lab::CheckContext& context);
// checks_hostile.cc
void check_hostile(lab::CheckContext& context);
// checks_wait.cc
void check_poll(lab::CheckContext& context);
void check_sleepers(lab::CheckContext& context);
// checks_send.cc
void check_stack(lab::CheckContext& context);
void check_transmit(lab::CheckContext& context);
void check_forward(lab::CheckContext& context);
// checks_modes.cc
void check_split(lab::CheckContext& context);
void check_modes(lab::CheckContext& context);
void check_cards(lab::CheckContext& context);
void check_iommu(lab::CheckContext& context);

}  // namespace zcl::lab03
