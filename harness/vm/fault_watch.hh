// SPDX-License-Identifier: MIT
// How a wait for the agent learns that the machine under it has failed.
#pragma once

#include <poll.h>

#include <string>
#include <vector>

#include "harness/vm/guest_fault.hh"

namespace zcl::vm {

/// Implemented by the machine; consulted by every wait of AgentConnection.
class FaultWatch {
 public:
  FaultWatch() = default;
  FaultWatch(const FaultWatch&) = delete;
  FaultWatch& operator=(const FaultWatch&) = delete;
  virtual ~FaultWatch() = default;

  /// Appends what has to wake a wait: the console, QMP, QEMU's process.
  virtual void add_to_poll(std::vector<pollfd>& waits) = 0;
  /// Takes what has arrived there, without waiting. Throws GuestFault when the machine has failed.
  virtual void service() = 0;
  /// A wait has gone on for too long: finds out what the guest is doing (lockup, hang, …).
  /// `agent_answers`: the agent is alive, so what hangs is the request. The machine is failed then.
  virtual FaultReport diagnose(const std::string& waited_for, bool agent_answers) = 0;
};

}  // namespace zcl::vm
