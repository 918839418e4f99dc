// SPDX-License-Identifier: MIT
// The evidence chain: NIC descriptor -> physical page -> page-table entry of the consumer.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "harness/vm/machine.hh"
#include "harness/xray/census.hh"

namespace zcl::xray {

/// One receive or transmit descriptor of a NIC, read by the host from guest memory.
struct NicDescriptor {
  unsigned index = 0;
  vm::PhysicalAddress descriptor = 0;  ///< where the descriptor stands
  vm::PhysicalAddress buffer = 0;      ///< what it points at (a bus address; equal without IOMMU)
  std::uint16_t length = 0;            ///< as the chip wrote it (receive) or the driver (transmit)
  bool done = false;                   ///< the chip has finished with it
  bool end_of_packet = false;
};

enum class Direction { receive, transmit };

/// The ring of an emulated NIC: base and length come from the chip's registers, descriptors from
/// guest RAM. Models: e1000 (82540EM manual, 3.2.3 and 3.4), rtl8139 in C+ mode (8139C+ datasheet,
/// 6.1). Throws UsageError for another model, or behind an IOMMU (bus addresses need its tables).
std::vector<NicDescriptor> read_ring(vm::Machine& machine, const std::string& nic,
                                     Direction direction);

/// A process of the guest, found by walking the task list from init_task in guest memory.
struct Task {
  int pid = 0;
  std::string command;
  vm::AddressSpace space;  ///< root 0 for a kernel thread
};
std::vector<Task> read_tasks(vm::Machine& machine);

/// A user mapping of a physical page.
struct Mapping {
  Task task;
  vm::Translation translation;
};
/// Every user mapping of the page that holds `address`, in every process.
std::vector<Mapping> find_mappings(vm::Machine& machine, vm::PhysicalAddress address);

/// What a place is: fills Place::name for every place ("NIC e1000 receive buffer 3", "user page of
/// reader (pid 71) at 0x7f…", "page cache of inode 12", "slab skbuff_head…", "free page"). Names
/// come from guest data structures and help the reader; no score depends on one.
void name_places(vm::Machine& machine, Census& census);

/// The whole chain for one payload.
struct EvidenceChain {
  std::optional<NicDescriptor> descriptor;  ///< that holds the payload; none behind an IOMMU
  Place place;
  std::vector<Mapping> mappings;  ///< consumers that see this very page
};
std::vector<EvidenceChain> trace_payload(vm::Machine& machine, const std::string& nic,
                                         const Payload& payload);

/// For a person at 80 columns, and for the report.
std::string to_text(const Census& census, const std::vector<EvidenceChain>& chains);

}  // namespace zcl::xray
