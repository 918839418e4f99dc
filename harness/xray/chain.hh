// SPDX-License-Identifier: MIT
// The evidence chain: NIC descriptor -> physical page -> page-table entry of the consumer.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "harness/vm/machine.hh"
#include "harness/xray/census.hh"
#include "harness/xray/naming.hh"
#include "harness/xray/nic_ring.hh"
#include "harness/xray/tasks.hh"

namespace zcl::xray {

/// The whole chain for one place of a payload.
struct EvidenceChain {
  std::optional<NicDescriptor> descriptor;   ///< that points at the place; none behind an IOMMU
  Direction direction = Direction::receive;  ///< of the descriptor's ring
  Place place;
  std::vector<Mapping> mappings;  ///< consumers that see this very page
};

/// One chain for each place of the payload. A NIC whose rings cannot be read (another model, or
/// behind an IOMMU) gives chains without a descriptor. Throws UsageError for an unknown NIC.
std::vector<EvidenceChain> trace_payload(vm::Machine& machine, const std::string& nic,
                                         const Payload& payload);
/// The same for a census that was taken, and usually named, before.
std::vector<EvidenceChain> trace_census(vm::Machine& machine, const std::string& nic,
                                        const Census& census);

/// For a person at 80 columns, and for the report.
std::string to_text(const Census& census, const std::vector<EvidenceChain>& chains);
nlohmann::json to_json(const Census& census, const std::vector<EvidenceChain>& chains);

}  // namespace zcl::xray
