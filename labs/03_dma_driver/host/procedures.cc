// SPDX-License-Identifier: MIT
// Binds the ids of lab.json to what the host does.
#include "labs/03_dma_driver/host/checks.hh"
#include "labs/03_dma_driver/host/experiments.hh"

namespace zcl::lab03 {

namespace {

const lab::Procedures procedures{"03_dma_driver",
                                 {
                                     {"receive", compare_receivers},
                                 },
                                 {
                                     {"03.chip", check_chip},
                                     {"03.rx_ring", check_rx_ring},
                                     {"03.dma", check_dma},
                                     {"03.clean", check_clean},
                                     {"03.interrupt", check_interrupt},
                                     {"03.queue", check_queue},
                                     {"03.full", check_full},
                                     {"03.mmap", check_mmap},
                                     {"03.lifetime", check_lifetime},
                                     {"03.receive", check_receive},
                                     {"03.recycle", check_recycle},
                                     {"03.hostile", check_hostile},
                                     {"03.poll", check_poll},
                                     {"03.sleepers", check_sleepers},
                                     {"03.stack", check_stack},
                                     {"03.transmit", check_transmit},
                                     {"03.forward", check_forward},
                                     {"03.split", check_split},
                                     {"03.modes", check_modes},
                                     {"03.cards", check_cards},
                                     {"03.iommu", check_iommu},
                                 }};

}  // namespace

}  // namespace zcl::lab03
