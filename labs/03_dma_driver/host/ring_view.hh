// SPDX-License-Identifier: MIT
// The ring page and the pool as they stand in guest memory. Everything there is the guest's and may
// be anything: indices are masked, lengths bounded. Construct and use while the machine is paused.
#pragma once

#include <optional>
#include <vector>

#include "harness/vm/machine.hh"
#include "labs/common/ring/zcl_ring_abi.h"

namespace zcl::lab03 {

/// Where a program says that it has its ring. Only a walk of its page table gives this a meaning.
struct RingPlace {
  int pid = 0;
  vm::VirtualAddress page = 0;
  std::uint64_t page_bytes = 0;
  vm::VirtualAddress pool = 0;
  std::uint64_t pool_bytes = 0;
  int file = -1;  ///< descriptor in the guest
  std::uint32_t buffers = 0;
};

/// What the host asked for at set-up: the header on the page is not believed.
struct RingShape {
  std::uint32_t rx_slots = ZCL_DEFAULT_RX_SLOTS;
  std::uint32_t tx_slots = ZCL_DEFAULT_TX_SLOTS;
  std::uint32_t spares = 0;
  std::uint32_t buffer_bytes = ZCL_BUFFER_2K;
  bool always = false;      ///< interrupts also for a program that is awake
  bool own_memory = false;  ///< the pool is the program's

  [[nodiscard]] std::uint64_t page_bytes() const {
    return sizeof(zcl_ring_page) + (rx_slots + tx_slots) * sizeof(zcl_descriptor);
  }
};

enum class Queue { receive, transmit };

class RingView {
 public:
  /// Through the program's page table. Throws lab::CheckFailed where it has no entry for the page.
  RingView(vm::Machine& machine, const RingPlace& place, const RingShape& shape);
  /// The page at a known address; the pool, where it is mapped (`place.pool` != 0), through the
  /// page table.
  RingView(vm::Machine& machine, vm::PhysicalAddress page, const RingPlace& place,
           const RingShape& shape);

  [[nodiscard]] std::uint32_t head(Queue queue) const { return queue_of(queue).head; }
  [[nodiscard]] std::uint32_t tail(Queue queue) const { return queue_of(queue).tail; }
  [[nodiscard]] std::uint32_t slots(Queue queue) const;
  [[nodiscard]] zcl_descriptor descriptor(Queue queue, std::uint32_t index) const;
  [[nodiscard]] vm::PhysicalAddress page() const { return pages_.at(0); }

  /// Where a buffer of the pool stands, by the program's page table; nothing for an index that does
  /// not exist or a page that is not mapped.
  [[nodiscard]] std::optional<vm::PhysicalAddress> buffer(std::uint32_t index) const;
  /// The bytes of a packet whose first slot is `index`: all its fragments to the one with
  /// ZCL_END_OF_PACKET. Empty where a slot makes no sense. `next`: the slot behind it.
  [[nodiscard]] base::Bytes packet(std::uint32_t index, std::uint32_t& next) const;

 private:
  [[nodiscard]] zcl_queue queue_of(Queue queue) const;
  template <typename T>
  [[nodiscard]] T load(std::uint64_t offset) const;

  vm::Machine& machine_;
  RingPlace place_;
  RingShape shape_;
  std::vector<vm::PhysicalAddress> pages_;
  vm::AddressSpace space_;
};

/// Pages of RAM that begin with a ring page's header for `shape`: one, on a machine with one ring.
std::vector<vm::PhysicalAddress> find_ring_pages(const vm::GuestMemory& memory,
                                                 const RingShape& shape);

}  // namespace zcl::lab03
