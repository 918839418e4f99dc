// SPDX-License-Identifier: MIT
// The one interface behind which every way to receive packets is measured.
#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "rx_packet.hh"

namespace zcl::rx {

class Receiver {
 public:
  Receiver() = default;
  Receiver(const Receiver&) = delete;
  Receiver& operator=(const Receiver&) = delete;
  virtual ~Receiver() = default;

  /// Gives the packets that are there to `account`, in order, up to a batch of the receiver's
  /// choice, and returns their number. Where there are none, one that sleeps waits for the first
  /// (0: a signal came instead), one that is busy returns 0. Throws std::exception.
  virtual std::size_t receive(Account& account) = 0;

  /// Called in a signal handler: a receiver that sleeps in a library makes it return.
  virtual void interrupt() {}
};

/// A way to receive. `card`: the PCI directory of the receiving card in sysfs. Once it is made,
/// packets can arrive (after wait_for_reception()).
struct ReceiverKind {
  const char* name;
  std::unique_ptr<Receiver> (*make)(const std::string& card);
};

}  // namespace zcl::rx
