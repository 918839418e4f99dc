// SPDX-License-Identifier: MIT
#include "labs/01_proc_addr/host/support.hh"

#include <algorithm>
#include <sstream>

#include "harness/vm/instruction_counter.hh"
#include "labs/01_proc_addr/include/nf_lab.h"

namespace zcl::lab01 {

namespace {

constexpr std::uint16_t kExperimentProtocol = 0x88b5;
constexpr std::size_t kEthernetHeader = 14;
/// QEMU's e1000 takes no frame for a second after its receive-control register was written.
constexpr std::uint64_t kNicSettlesNs = 2'000'000'000;
/// Bytes of a block's mark: stamp, number, end.
constexpr std::uint64_t kMarkBytes = sizeof(Stamp) + 2 * sizeof(std::uint64_t);

std::string number(std::uint64_t value) {
  return std::to_string(value);
}

}  // namespace

Stamp fresh_stamp(base::RandomStream& random) {
  Stamp stamp{};
  const base::Bytes bytes = random.bytes(stamp.size());
  std::copy(bytes.begin(), bytes.end(), stamp.begin());
  return stamp;
}

std::string to_hex(base::ByteView bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (const std::uint8_t byte : bytes) {
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}

std::vector<vm::PhysicalAddress> find_bytes(const vm::GuestMemory& memory, base::ByteView needle) {
  std::vector<vm::PhysicalAddress> places;
  memory.for_each_populated([&](vm::PhysicalAddress address, base::ByteView bytes) {
    for (const std::size_t at : xray::find_all(bytes, needle)) places.push_back(address + at);
  });
  return places;
}

std::vector<BlockPlace> find_blocks(const vm::GuestMemory& memory, const Stamp& stamp,
                                    std::size_t count, std::uint64_t block_bytes) {
  const auto marks = find_bytes(memory, stamp);
  lab::CheckContext::require(marks.size() == 2 * count,
                             "Each of " + number(count) +
                                 " blocks is marked at both ends, but the census finds " +
                                 number(marks.size()) + " marks in physical memory.");
  std::vector<BlockPlace> blocks(count);
  std::vector<bool> tail_seen(count);
  for (const auto mark : marks) {
    const auto block = memory.load<std::uint64_t>(mark + sizeof(Stamp));
    const auto end = memory.load<std::uint64_t>(mark + sizeof(Stamp) + sizeof block);
    lab::CheckContext::require(block < count && end < 2, "A mark was overwritten.");
    if (end == 1) {
      tail_seen[block] = true;
      continue;
    }
    lab::CheckContext::require(blocks[block].bytes == 0,
                               "Block " + number(block) + " begins in two places.");
    lab::CheckContext::require(mark % block_bytes == 0,
                               "Block " + number(block) + " begins at physical address " +
                                   number(mark) + ", which is no multiple of its size " +
                                   number(block_bytes) + ".");
    blocks[block] = {mark, block_bytes};
  }
  for (std::size_t i = 0; i < count; ++i) {
    lab::CheckContext::require(blocks[i].bytes != 0 && tail_seen[i],
                               "Block " + number(i) + " lacks a mark.");
    const auto tail = blocks[i].address + block_bytes - kMarkBytes;
    const bool whole = std::binary_search(marks.begin(), marks.end(), tail) &&
                       memory.load<std::uint64_t>(tail + sizeof(Stamp)) == i;
    lab::CheckContext::require(whole, "Block " + number(i) +
                                          " does not end where it should in physical memory: its "
                                          "pages are not neighbours.");
  }
  return blocks;
}

RingView::RingView(const vm::GuestMemory& memory, const Stamp& id, std::uint64_t ring_bytes)
    : memory_(memory), slots_((ring_bytes - NF_RING_HEADER_BYTES) / NF_RING_SLOT_BYTES) {
  std::vector<vm::PhysicalAddress> places;
  for (const auto place : find_bytes(memory, id)) {
    // The id is page-aligned in the ring; elsewhere it may have been on a stack.
    if (place % 4096 == 0 && memory.contains(place, ring_bytes)) places.push_back(place);
  }
  lab::CheckContext::require(places.size() == 1, "The ring's header stands in " +
                                                     number(places.size()) +
                                                     " places of physical memory, not in one.");
  base_ = places.front();
}

std::uint32_t RingView::length(std::uint64_t number) const {
  return memory_.load<std::uint32_t>(slot_address(number));
}

base::Bytes RingView::record(std::uint64_t number) const {
  const std::uint32_t bytes = length(number);
  if (bytes > NF_RING_DATA_BYTES) return {};
  const auto data = memory_.view(slot_address(number) + offsetof(nf_ring_slot, data), bytes);
  return {data.begin(), data.end()};
}

base::Bytes expected_record(std::uint64_t seed, std::uint64_t number) {
  base::Bytes bytes(nf_record_length(seed, number));
  for (std::uint32_t i = 0; i < bytes.size() / sizeof(std::uint64_t); ++i) {
    const std::uint64_t word = nf_record_word(seed, number, i);
    std::memcpy(bytes.data() + i * sizeof word, &word, sizeof word);
  }
  return bytes;
}

void command(vm::Machine& machine, const std::string& text) {
  machine.agent().write_text("/proc/nf_lab", text);
}

vm::InstructionCounts marked_window(vm::Machine& machine) {
  return vm::between_marks(machine.counter().marks(), NF_MARK_BEGIN, NF_MARK_END);
}

int refusal(vm::Machine& machine, const std::string& text) {
  try {
    command(machine, text);
    return 0;
  } catch (const vm::GuestError& error) {
    return error.error_number();
  }
}

std::map<std::string, std::uint64_t> counters(vm::Machine& machine) {
  std::istringstream lines(machine.agent().get_text("/proc/nf_lab"));
  std::map<std::string, std::uint64_t> values;
  std::string name;
  std::string value;
  while (lines >> name >> value) {
    if (value.find_first_not_of("0123456789") == std::string::npos && value.size() < 21) {
      values[name] = std::stoull(value);
    }
  }
  return values;
}

namespace {

/// Asks again and again, with a guest's pause between, until `holds` or the deadline passes.
void poll(vm::Machine& machine, const std::string& what, const std::function<bool()>& holds) {
  constexpr std::uint64_t kPauseNs = 2'000'000;
  const auto deadline = soon(what);
  while (!holds()) {
    if (deadline.passed()) throw base::DeadlinePassed(deadline);
    machine.agent().sleep_ns(kPauseNs);
  }
}

}  // namespace

void wait_until(vm::Machine& machine, const std::string& what,
                const std::function<bool(const vm::GuestMemory&)>& holds) {
  poll(machine, what, [&] {
    const Paused still(machine);
    return holds(machine.memory());
  });
}

void wait_for_counter(vm::Machine& machine, const std::string& name, std::uint64_t at_least) {
  poll(machine, name + " reaches " + std::to_string(at_least),
       [&] { return counters(machine)[name] >= at_least; });
}

std::vector<ExportedBlock> exported_blocks(vm::Machine& machine) {
  std::istringstream lines(machine.agent().get_text("/proc/nf_addr"));
  std::vector<ExportedBlock> blocks;
  for (ExportedBlock block; lines >> block.address >> block.bytes;) blocks.push_back(block);
  return blocks;
}

std::string bring_up_nic(vm::Machine& machine) {
  const std::string interface = machine.agent().interface_of("nic0");
  // Otherwise the interface greets its neighbours, which raises interrupts that nobody asked for.
  machine.agent().write_text("/proc/sys/net/ipv6/conf/" + interface + "/disable_ipv6", "1");
  machine.agent().interface_up(interface);
  machine.agent().sleep_ns(kNicSettlesNs);
  return interface;
}

wire::Frame experiment_frame(base::RandomStream& random, std::size_t frame_bytes) {
  constexpr wire::MacAddress kEverybody{0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
  constexpr wire::MacAddress kHost{0x02, 0, 0, 0, 0, 0x01};
  return wire::make_frame(kEverybody, kHost, kExperimentProtocol,
                          random.bytes(frame_bytes - kEthernetHeader));
}

base::ByteView payload_of(const wire::Frame& frame) {
  return base::ByteView(frame.bytes).subspan(kEthernetHeader);
}

base::Deadline soon(const std::string& what) {
  return {what, std::chrono::seconds(60)};
}

}  // namespace zcl::lab01
