// SPDX-License-Identifier: MIT
// Step queue: what the kernel puts on the ring page, before a program can map it. The host finds
// the page in guest memory by its header; the pool is the program's own memory.
#include <algorithm>
#include <set>

#include "labs/03_dma_driver/host/checks.hh"
#include "labs/03_dma_driver/host/support.hh"

namespace zcl::lab03 {

namespace {

void set_ring_mode(RingProbe& probe, const RingPlace& place) {
  probe.must("ioctl_number " + std::to_string(place.file) + " " + std::to_string(ZCL_SET_MODE) +
                 " " + std::to_string(ZCL_MODE_RING),
             "ZCL_SET_MODE");
}

/// Paused.
vm::PhysicalAddress the_ring_page(vm::Machine& machine, const RingShape& shape) {
  const auto pages = find_ring_pages(machine.memory(), shape);
  lab::CheckContext::require(pages.size() == 1, "There are " + std::to_string(pages.size()) +
                                                    " ring pages in RAM, not one.");
  return pages.front();
}

std::string packet_words(std::uint32_t first, std::uint64_t sequence) {
  return "The packet in slot " + std::to_string(first) + " of RxBuf is not frame " +
         std::to_string(sequence);
}

}  // namespace

void check_queue(lab::CheckContext& context) {
  auto machine = start_loaded(context);
  auto link = context.link(machine, "net0");
  RingProbe probe(context, machine);
  const RingShape shape{.own_memory = true};
  const auto place = probe.set_up(shape);
  set_ring_mode(probe, place);
  bring_up(machine);
  const Nic nic(machine, "net0");
  const auto flow = flow_to(context, nic);
  std::vector<wire::Frame> frames;
  for (std::uint64_t i = 0; i < 40; ++i) {
    frames.push_back(wire::make_flow_frame(flow, i, 60 + context.random().below(1400)));
  }
  frames.push_back(wire::make_flow_frame(flow, 40, 9000));
  const std::uint32_t slots = 40 + 5;
  const auto ring = nic.receive_ring();
  const auto first = nic.read(Register::rdh);
  send_and_settle(machine, link, nic, frames, slots);
  probe.sync(place, ZCL_SYNC_RX | ZCL_SYNC_BUSY);

  const Pause pause(machine);
  const RingView view(machine, the_ring_page(machine, shape), place, shape);
  context.require(view.head(Queue::receive) == slots,
                  "RxQ.head is " + std::to_string(view.head(Queue::receive)) + " after " +
                      std::to_string(slots) + " buffers were received.");
  std::uint32_t index = 0;
  for (std::size_t i = 0; i < frames.size(); ++i) {
    const auto at = index;
    context.require(view.packet(at, index) == frames[i].bytes, packet_words(at, i) + ".");
  }
  context.require(index == slots, "A packet's fragments end in the wrong slot.");
  std::set<std::uint32_t> seen;
  for (std::uint32_t i = 0; i < slots; ++i) {
    const auto buffer = view.descriptor(Queue::receive, i).buffer;
    const auto& descriptor = ring.at((first + i) % ring.size());
    context.require(view.buffer(buffer) == descriptor.buffer,
                    "Slot " + std::to_string(i) +
                        " names another buffer than the one that the "
                        "chip wrote to: the packet was copied, or the slot is wrong.");
    seen.insert(buffer);
  }
  context.require(seen.size() == slots, "Two slots of RxBuf name the same buffer.");
  for (const auto& descriptor : nic.receive_ring()) {
    for (const auto buffer : seen) {
      context.require(view.buffer(buffer) != descriptor.buffer,
                      "The chip still has a buffer that the program was given.");
    }
  }
  context.require_quiet_kernel(machine);
  context.observed("41 packets in 45 slots, each in the very buffer that the chip wrote to");
}

void check_full(lab::CheckContext& context) {
  auto machine = start_loaded(context);
  auto link = context.link(machine, "net0");
  RingProbe probe(context, machine);
  // 4 KiB buffers, so that packets can be taken by mapping them (ZCL_MAP_PACKET).
  const RingShape shape{.rx_slots = 8, .tx_slots = 8, .buffer_bytes = ZCL_BUFFER_4K};
  const auto place = probe.set_up(shape);
  set_ring_mode(probe, place);
  bring_up(machine);
  const Nic nic(machine, "net0");
  const auto flow = flow_to(context, nic);
  const auto file = std::to_string(place.file);
  constexpr std::uint64_t kViewBytes = 4 * kPage;

  /// Takes the oldest packet and requires that it is frame `sequence`.
  const auto take = [&](std::uint64_t sequence, std::size_t bytes) {
    const auto mapped = probe.number("map " + file + " " + to_hex(ZCL_MAP_PACKET) + " " +
                                         std::to_string(kViewBytes) + " r shared",
                                     "Taking packet " + std::to_string(sequence));
    {
      const Pause pause(machine);
      base::Bytes content;
      for (std::size_t at = 0; at < bytes; at += kPage) {
        const auto page = labs::lookup(machine, probe.pid(), mapped + at);
        context.require(page.has_value(), "A page of the packet is missing.");
        const auto part =
            machine.memory().view(page->physical_address, std::min<std::size_t>(kPage, bytes - at));
        content.insert(content.end(), part.begin(), part.end());
      }
      context.require(content == wire::make_flow_frame(flow, sequence, bytes).bytes,
                      "The oldest packet is not frame " + std::to_string(sequence) + ".");
    }
    probe.must("unmap " + to_hex(mapped) + " " + std::to_string(kViewBytes), "giving it back");
  };
  const auto require_head = [&](std::uint32_t head, const std::string& what) {
    const Pause pause(machine);
    const RingView view(machine, the_ring_page(machine, shape), place, shape);
    context.require(view.head(Queue::receive) == head,
                    what + ": RxQ.head is " + std::to_string(view.head(Queue::receive)) + ", not " +
                        std::to_string(head) + ".");
  };

  // Three slots a packet: the third does not fit into eight, and must leave no fragment behind.
  constexpr std::size_t kLong = 9000;
  send_and_settle(machine, link, nic, make_frames(flow, 0, 3, kLong), 9);
  probe.sync(place, ZCL_SYNC_RX | ZCL_SYNC_BUSY);
  require_head(6, "Three packets of three buffers, eight slots");
  take(0, kLong);
  take(1, kLong);
  // Frame 2 was dropped, or waited in the NIC's ring. Its slots went to nobody.
  std::uint64_t sequence = 3;
  std::uint32_t head = 6;
  for (unsigned round = 0; round < 8; ++round) {
    send_and_settle(machine, link, nic, make_frames(flow, sequence, 5, 300), 5);
    probe.sync(place, ZCL_SYNC_RX | ZCL_SYNC_BUSY);
    head += 5;
    require_head(head, "Five more packets");
    for (unsigned i = 0; i < 5; ++i) take(sequence++, 300);
  }
  context.require_quiet_kernel(machine);
  context.observed("eight slots: a packet without room is dropped whole; five rounds of the ring");
}

}  // namespace zcl::lab03
