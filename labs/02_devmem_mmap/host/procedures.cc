// SPDX-License-Identifier: MIT
// Binds the ids of lab.json to what the host does.
#include "labs/02_devmem_mmap/host/checks.hh"
#include "labs/02_devmem_mmap/host/experiments.hh"

namespace zcl::lab02 {

namespace {

const lab::Procedures procedures{"02_devmem_mmap",
                                 {
                                     {"ways", compare_ways},
                                     {"osync", show_osync},
                                     {"reserved_mark", show_reserved_mark},
                                     {"unload", show_unload},
                                     {"pipeline", measure_pipeline},
                                     {"zero_copy_send", try_zero_copy_sends},
                                     {"jitter", measure_jitter},
                                     {"jitter_busy", measure_jitter_busy},
                                 },
                                 {
                                     {"02.address", check_address},
                                     {"02.refuse_ram", check_refuse_ram},
                                     {"02.remap", check_remap},
                                     {"02.remap_bounds", check_remap_bounds},
                                     {"02.fault", check_fault},
                                     {"02.pages", check_pages},
                                     {"02.unload", check_unload},
                                     {"02.mapping_lives", check_mapping_lives},
                                     {"02.dma", check_dma},
                                     {"02.dma_bounds", check_dma_bounds},
                                     {"02.dma_iommu", check_dma_iommu},
                                     {"02.send", check_send},
                                 }};

}  // namespace

}  // namespace zcl::lab02
