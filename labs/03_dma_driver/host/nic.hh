// SPDX-License-Identifier: MIT
// The chip as the host sees it: registers by QMP, descriptor rings in guest memory, interrupts at
// the emulated interrupt controller. Nobody in the guest is asked.
// Source: Intel 8254x software developer's manual (SDM), 13.4.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "harness/vm/machine.hh"
#include "harness/wire/frame.hh"
#include "harness/xray/nic_ring.hh"

namespace zcl::lab03 {

enum class Register : std::uint32_t {
  ctrl = 0x0000,
  ims = 0x00d0,  ///< reading gives the mask
  rctl = 0x0100,
  tctl = 0x0400,
  rdbal = 0x2800,
  rdbah = 0x2804,
  rdlen = 0x2808,
  rdh = 0x2810,
  rdt = 0x2818,
  tdh = 0x3810,
  tdt = 0x3818,
  ral = 0x5400,
  rah = 0x5404,
};

inline constexpr std::uint32_t kReset = 1U << 26;   ///< CTRL
inline constexpr std::uint32_t kEnable = 1U << 1;   ///< RCTL and TCTL
inline constexpr std::uint32_t kRxTimer = 1U << 7;  ///< IMS: a frame was received
inline constexpr std::uint32_t kValid = 1U << 31;   ///< RAH

class Nic {
 public:
  /// `id`: of the machine's declaration. Its device must have been enabled by the guest.
  Nic(vm::Machine& machine, std::string id);

  [[nodiscard]] std::uint32_t read(Register which) const;
  [[nodiscard]] vm::PhysicalAddress bar() const { return bar_; }
  /// Reads and writes of its registers by the guest so far.
  [[nodiscard]] vm::RegisterAccesses accesses() const;

  /// Pause first for a consistent view.
  [[nodiscard]] std::vector<xray::NicDescriptor> receive_ring() const;
  [[nodiscard]] std::vector<xray::NicDescriptor> transmit_ring() const;

  /// From the declaration.
  [[nodiscard]] wire::MacAddress mac() const;

 private:
  vm::Machine& machine_;
  std::string id_;
  vm::PhysicalAddress bar_;
};

/// Interrupts of the machine's PCI lines: here only NICs have any.
std::uint64_t raised_interrupts(vm::Machine& machine);

}  // namespace zcl::lab03
