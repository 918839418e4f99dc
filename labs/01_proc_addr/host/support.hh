// SPDX-License-Identifier: MIT
// What the checks and experiments of lab 01 share: marks in guest memory, the ring as the host
// reads it, and the module's control file.
#pragma once

#include <array>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "harness/lab/procedure.hh"
#include "labs/01_proc_addr/include/nf_record.h"
#include "labs/01_proc_addr/include/nf_ring.h"

namespace zcl::lab01 {

/// 16 random bytes, chosen by the host once the module is built.
using Stamp = std::array<std::uint8_t, 16>;

Stamp fresh_stamp(base::RandomStream& random);
std::string to_hex(base::ByteView bytes);

/// Holds a machine still for as long as it lives. A machine that failed meanwhile is noticed by the
/// next operation on it.
class Paused {
 public:
  explicit Paused(vm::Machine& machine) : machine_(machine) { machine_.pause(); }
  ~Paused() {
    try {
      machine_.resume();
    } catch (const std::exception&) {  // see above
    }
  }
  Paused(const Paused&) = delete;
  Paused& operator=(const Paused&) = delete;

 private:
  vm::Machine& machine_;
};

/// Every address of `needle` (16 bytes or so, within one page) in populated memory, rising.
std::vector<vm::PhysicalAddress> find_bytes(const vm::GuestMemory& memory, base::ByteView needle);

/// A block of the module's buffer, as its marks say: the module stamps the first and the last bytes
/// of each block with stamp, number and end.
struct BlockPlace {
  vm::PhysicalAddress address = 0;
  std::uint64_t bytes = 0;
};

/// The blocks by number, from the marks in memory alone. Throws CheckFailed where a mark is
/// missing, doubled, or not where one piece of memory of `block_bytes`, aligned to its size, has
/// it.
std::vector<BlockPlace> find_blocks(const vm::GuestMemory& memory, const Stamp& stamp,
                                    std::size_t count, std::uint64_t block_bytes);

/// The corrected ring in guest memory, when it stands in one block. Everything read is the guest's
/// and may be anything.
class RingView {
 public:
  /// Finds the header by the id that the host gave the module. Throws CheckFailed unless it stands
  /// in exactly one place.
  RingView(const vm::GuestMemory& memory, const Stamp& id, std::uint64_t ring_bytes);

  [[nodiscard]] vm::PhysicalAddress base() const { return base_; }
  [[nodiscard]] nf_ring_header header() const { return memory_.load<nf_ring_header>(base_); }
  [[nodiscard]] std::uint64_t slots() const { return slots_; }
  [[nodiscard]] vm::PhysicalAddress slot_address(std::uint64_t number) const {
    return base_ + NF_RING_HEADER_BYTES + number % slots_ * NF_RING_SLOT_BYTES;
  }
  /// The data of record `number`; empty where its length is more than a slot.
  [[nodiscard]] base::Bytes record(std::uint64_t number) const;
  [[nodiscard]] std::uint32_t length(std::uint64_t number) const;

 private:
  const vm::GuestMemory& memory_;
  vm::PhysicalAddress base_ = 0;
  std::uint64_t slots_ = 0;
};

/// Record `number` of `seed`, as nf_record.h says.
base::Bytes expected_record(std::uint64_t seed, std::uint64_t number);

/// Gives the module a command (kernel/control.c lists them). Throws GuestError with its errno.
void command(vm::Machine& machine, const std::string& text);
/// What the guest executed between the last two marks (include/nf_lab.h): a command of the module,
/// or the loop of nf_recv. Marks are executed by the guest, so this explains and earns nothing.
vm::InstructionCounts marked_window(vm::Machine& machine);
/// The errno that the module refuses a command with, or 0.
int refusal(vm::Machine& machine, const std::string& text);
/// The counters of /proc/nf_lab. Claims of the module: they explain, and earn nothing.
std::map<std::string, std::uint64_t> counters(vm::Machine& machine);

/// Lets the machine run until `holds` says yes of its memory. Throws DeadlinePassed, naming `what`.
void wait_until(vm::Machine& machine, const std::string& what,
                const std::function<bool(const vm::GuestMemory&)>& holds);
/// The same for a counter of the module.
void wait_for_counter(vm::Machine& machine, const std::string& name, std::uint64_t at_least);

/// /proc/nf_addr as the module prints it.
struct ExportedBlock {
  std::uint64_t address = 0;
  std::uint64_t bytes = 0;
};
std::vector<ExportedBlock> exported_blocks(vm::Machine& machine);

/// Brings the machine's NIC up and waits until it takes frames. Returns the interface's name.
std::string bring_up_nic(vm::Machine& machine);
/// A frame for everybody, of the protocol number for experiments, `frame_bytes` in all, whose
/// payload is random.
wire::Frame experiment_frame(base::RandomStream& random, std::size_t frame_bytes);
/// The random part of such a frame.
base::ByteView payload_of(const wire::Frame& frame);

/// A deadline for something that takes an idle machine a second or so.
base::Deadline soon(const std::string& what);

}  // namespace zcl::lab01
