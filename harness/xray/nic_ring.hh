// SPDX-License-Identifier: MIT
// The descriptor rings of emulated NICs: where the chip says they are, what stands in guest RAM.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "harness/vm/machine.hh"

namespace zcl::xray {

/// One receive or transmit descriptor of a NIC, read by the host from guest memory.
struct NicDescriptor {
  unsigned index = 0;
  vm::PhysicalAddress descriptor = 0;  ///< where the descriptor stands
  vm::PhysicalAddress buffer = 0;      ///< what it points at (a bus address; equal without IOMMU)
  std::uint16_t length = 0;            ///< as the chip wrote it (receive) or the driver (transmit)
  std::uint16_t capacity = 0;          ///< bytes of the buffer, where the chip has a setting for it
  bool done = false;       ///< the chip has finished with it, the driver has not seen it yet
  bool with_chip = false;  ///< the chip may use it; neither: left over from the driver's last use
  bool end_of_packet = false;
};

enum class Direction { receive, transmit };

/// The ring of an emulated NIC: base and length come from the chip's registers, descriptors from
/// guest RAM. Models: e1000 (82540EM manual, 3.2.3 and 3.4), rtl8139 in C+ mode (8139C+ datasheet,
/// 6.1). An empty result: the ring is off, or lies outside RAM. Throws UsageError for another model
/// or an unknown NIC, or behind an IOMMU (bus addresses need its tables).
std::vector<NicDescriptor> read_ring(vm::Machine& machine, const std::string& nic,
                                     Direction direction);

/// Whether read_ring() can read a NIC of this machine.
bool ring_is_readable(const vm::MachineSpec& spec, const std::string& nic);

/// Reads a 32-bit register of the chip at an offset into its register window.
using ReadRegister = std::function<std::uint32_t(std::uint32_t)>;
std::vector<NicDescriptor> read_e1000_ring(const vm::GuestMemory& memory,
                                           const ReadRegister& read_register, Direction direction);
std::vector<NicDescriptor> read_rtl8139_ring(const vm::GuestMemory& memory,
                                             const ReadRegister& read_register,
                                             Direction direction);

}  // namespace zcl::xray
