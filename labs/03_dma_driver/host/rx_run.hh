// SPDX-License-Identifier: MIT
// One receive measurement: a program of user/rx_*.cc in a machine, and what the host counts of it.
#pragma once

#include <cstdint>
#include <string>

#include "harness/vm/machine.hh"

namespace zcl::lab03 {

/// QEMU ids of the two cards, which share a hub.
inline constexpr const char* kRxCard = "rx";
inline constexpr const char* kRxSender = "tx";

/// The machine of the measurements: two e1000 without interrupt moderation, in count mode.
vm::MachineSpec rx_machine(const std::string& kernel = "6.1");

enum class RxTraffic { lockstep, paced, loss };

/// What is measured (labs/03_dma_driver/user/rx_traffic.hh).
struct RxPoint {
  std::string receiver;  ///< "recvfrom"
  RxTraffic traffic = RxTraffic::lockstep;
  unsigned frame_bytes = 64;  ///< Ethernet header included, checksum not; 64 … 1514
  bool udp = false;           ///< frames that the guest's network stack looks at too, and drops
  unsigned burst = 32;        ///< of lockstep: divides 256. Paced and loss send bursts of 32
  unsigned kpps = 100;        ///< of paced and loss: packets a millisecond of guest time
};

/// Figures of one point; those a packet are for each delivered one.
struct RxResult {
  std::uint64_t offered = 0;
  std::uint64_t delivered = 0;
  // Not measured in `loss`. In `paced` less what the sender costs alone. Between the program's own
  // marks, so they explain and no point hangs on them.
  double instructions = 0;
  double user_instructions = 0;
  double kernel_instructions = 0;
  double syscalls = 0;
  // Between two stops of the host.
  double interrupts = 0;         ///< of the receiving card
  double register_accesses = 0;  ///< loads and stores of the receiving card's registers
  [[nodiscard]] std::uint64_t lost() const { return offered - delivered; }
};

/// Runs `program`, a path in the guest, on a machine like rx_machine() that nothing was measured on
/// before. Throws std::runtime_error where it fails, or says that a packet was wrong; and what
/// Machine throws.
RxResult measure_rx(vm::Machine& machine, const std::string& program, const RxPoint& point);

}  // namespace zcl::lab03
