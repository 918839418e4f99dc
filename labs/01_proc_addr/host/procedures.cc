// SPDX-License-Identifier: MIT
// Binds the ids of lab.json to functions.
#include "harness/lab/procedure.hh"
#include "labs/01_proc_addr/host/checks.hh"
#include "labs/01_proc_addr/host/experiments.hh"

namespace {

using namespace zcl::lab01;

const zcl::lab::Procedures procedures{"01_proc_addr",
                                      {
                                          {"order_sweep", order_sweep},
                                          {"block_index", block_index},
                                          {"strings", strings},
                                          {"legacy_overrun", legacy_overrun},
                                          {"legacy_full", legacy_full},
                                          {"legacy_order", legacy_order},
                                          {"legacy_copies", legacy_copies},
                                          {"tap", tap},
                                          {"hand_over", hand_over},
                                          {"translate", translate},
                                          {"iommu", iommu},
                                          {"address", address},
                                          {"proc_format", proc_format},
                                          {"classic_path", classic_path},
                                      },
                                      {
                                          {"01.alloc", check_alloc},
                                          {"01.alloc_zeroed", check_alloc_zeroed},
                                          {"01.alloc_errors", check_alloc_errors},
                                          {"01.free", check_free},
                                          {"01.export", check_export},
                                          {"01.export_wide", check_export_wide},
                                          {"01.find", check_find},
                                          {"01.find_cost", check_find_cost},
                                          {"01.write", check_write},
                                          {"01.write_order", check_write_order},
                                          {"01.write_trust", check_write_trust},
                                          {"01.read", check_read},
                                          {"01.read_length", check_read_length},
                                      }};

}  // namespace
