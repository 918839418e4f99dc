// SPDX-License-Identifier: MIT
#include "harness/xray/chain.hh"

#include <algorithm>

#include "harness/base/error.hh"

namespace zcl::xray {
namespace {

/// Rings of the NIC, or none where they cannot be read.
std::vector<NamedRing> rings_of(vm::Machine& machine, const std::string& nic) {
  const auto& nics = machine.spec().nics;
  const auto found =
      std::find_if(nics.begin(), nics.end(), [&](const auto& each) { return each.id == nic; });
  if (found == nics.end()) throw UsageError("the machine has no NIC \"" + nic + "\"");
  std::vector<NamedRing> rings;
  if (!ring_is_readable(machine.spec(), nic)) return rings;
  for (const Direction direction : {Direction::receive, Direction::transmit}) {
    rings.push_back({nic, found->model, direction, read_ring(machine, nic, direction)});
  }
  return rings;
}

}  // namespace

std::vector<EvidenceChain> trace_census(vm::Machine& machine, const std::string& nic,
                                        const Census& census) {
  const std::vector<NamedRing> rings = rings_of(machine, nic);
  std::vector<vm::PhysicalAddress> addresses;
  for (const Place& place : census.places) addresses.push_back(place.first_byte());
  const auto mappings = find_mappings(machine.memory(), read_tasks(machine), addresses);
  std::vector<EvidenceChain> chains;
  for (std::size_t i = 0; i < addresses.size(); ++i) {
    EvidenceChain chain;
    chain.place = census.places[i];
    chain.mappings = mappings[i];
    for (const NamedRing& ring : rings) {
      const NicDescriptor* descriptor = descriptor_of(ring, addresses[i]);
      if (descriptor == nullptr || chain.descriptor) continue;
      chain.descriptor = *descriptor;
      chain.direction = ring.direction;
    }
    chains.push_back(std::move(chain));
  }
  return chains;
}

std::vector<EvidenceChain> trace_payload(vm::Machine& machine, const std::string& nic,
                                         const Payload& payload) {
  Census census = take_census(machine.memory(), payload);
  name_places(machine, census);
  return trace_census(machine, nic, census);
}

}  // namespace zcl::xray
