// SPDX-License-Identifier: MIT
// Names for places: who owns the page where payload bytes stand.
#pragma once

#include "harness/vm/kernel_view.hh"
#include "harness/vm/machine.hh"
#include "harness/xray/census.hh"
#include "harness/xray/nic_ring.hh"
#include "harness/xray/tasks.hh"

namespace zcl::xray {

/// What a place is: fills Place::kind and Place::name of every place ("receive buffer 3 of net0
/// (e1000)", "anonymous page of reader (pid 71) at 0x7f…", "page cache of /data (inode 12, tmpfs)",
/// "slab kmalloc-1k, object in use", "free page"). Names come from guest data structures and help
/// the reader; no score depends on one.
void name_places(vm::Machine& machine, Census& census);

/// The rings of one NIC, for naming.
struct NamedRing {
  std::string nic;    ///< its id
  std::string model;  ///< its QEMU model
  Direction direction = Direction::receive;
  std::vector<NicDescriptor> descriptors;
};
/// All rings of the machine that can be read.
std::vector<NamedRing> read_rings(vm::Machine& machine);

/// The descriptor whose buffer holds `address`, or nullptr.
const NicDescriptor* descriptor_of(const NamedRing& ring, vm::PhysicalAddress address);

/// The part of name_places() that needs no machine.
void name_places(const vm::KernelView& kernel, const vm::MachineSpec& spec,
                 const std::vector<NamedRing>& rings, const std::vector<Task>& tasks,
                 Census& census);

}  // namespace zcl::xray
