// SPDX-License-Identifier: MIT
// Step mmap, further: packets in the program's hands. One place in RAM, recycled buffers, and a
// program that does not keep to the rules.
#include <algorithm>
#include <set>

#include "labs/03_dma_driver/host/checks.hh"
#include "labs/03_dma_driver/host/support.hh"

namespace zcl::lab03 {

namespace {

/// Receives one frame and requires: one place, in the very buffers that the chip's descriptors
/// pointed at, which the program's page table leads to.
void require_one_place(lab::CheckContext& context, vm::Machine& machine, wire::Link& link,
                       RingProbe& probe, const RingPlace& place, const RingShape& shape,
                       std::size_t bytes) {
  const Nic nic(machine, "net0");
  const auto ring = nic.receive_ring();
  const auto first = nic.read(Register::rdh);
  const MarkedFrame marked(context, nic.mac(), bytes);
  const auto buffers =
      static_cast<std::uint32_t>((bytes + shape.buffer_bytes - 1) / shape.buffer_bytes);
  send_and_settle(machine, link, nic, {marked.frame}, buffers);
  probe.must("sync " + std::to_string(ZCL_SYNC_RX | ZCL_SYNC_BUSY), "ZCL_SYNC");

  const Pause pause(machine);
  const auto size = "A frame of " + std::to_string(bytes) + " bytes ";
  const RingView view(machine, place, shape);
  const auto tail = view.tail(Queue::receive);
  context.require(view.head(Queue::receive) - tail == buffers,
                  size + "must fill " + std::to_string(buffers) + " slots of RxBuf, not " +
                      std::to_string(view.head(Queue::receive) - tail) + ".");
  std::uint32_t next = 0;
  context.require(view.packet(tail, next) == marked.frame.bytes,
                  size + "is not what the program finds in its slots.");
  for (std::uint32_t i = 0; i < buffers; ++i) {
    const auto buffer = view.buffer(view.descriptor(Queue::receive, tail + i).buffer);
    context.require(buffer == ring.at((first + i) % ring.size()).buffer,
                    size + "was not left where the chip wrote it.");
  }
  const auto census = xray::take_census(machine.memory(), marked.payload);
  context.require(census.copies() == 1, size + "stands in " + std::to_string(census.copies()) +
                                            " places of RAM; one is right.");
  const auto chains = xray::trace_census(machine, "net0", census);
  for (const auto& chain : chains) {
    context.require(
        std::ranges::any_of(chain.mappings,
                            [&](const auto& mapping) { return mapping.task.pid == probe.pid(); }),
        size + "stands in a page that the program's page table does not have.");
  }
}

/// In `machine`, for each size; with the kernel's memory, or the program's.
void receive_sizes(lab::CheckContext& context, vm::Machine& machine, wire::Link& link,
                   const RingShape& shape) {
  RingProbe probe(context, machine);
  const auto place = probe.open_ring(shape);
  probe.set_mode(ZCL_MODE_RING);
  // Up after the mode: from the first one on the descriptors hold buffers of the pool.
  const auto interface = bring_up(machine);
  for (const std::size_t bytes : {64U, 200U, 1514U, 9000U}) {
    require_one_place(context, machine, link, probe, place, shape, bytes);
    const auto buffers = (bytes + shape.buffer_bytes - 1) / shape.buffer_bytes;
    probe.must("release " + std::to_string(buffers), "releasing a packet");
  }
  probe.finish();
  machine.agent().interface_down(interface);
}

/// What a flow frame says that it is.
std::string describe(const base::Bytes& packet) {
  constexpr std::size_t kSequence = wire::kEthernetHeader + 12;  // its low half
  if (packet.size() < kSequence + 4) return std::to_string(packet.size()) + " bytes";
  std::uint32_t sequence = 0;
  for (unsigned i = 0; i < 4; ++i) sequence = sequence << 8 | packet[kSequence + i];
  return "frame " + std::to_string(sequence) + ", " + std::to_string(packet.size()) + " bytes";
}

/// The published packets are frames of `flow`, in order, and the chip cannot write to any. Paused.
/// -> how many there are
std::uint32_t require_published(const RingView& view, const Nic& nic, const wire::FlowSpec& flow,
                                std::size_t bytes) {
  const auto head = view.head(Queue::receive);
  const auto tail = view.tail(Queue::receive);
  lab::CheckContext::require(head - tail <= view.slots(Queue::receive),
                             "RxQ.head is more than a round ahead of RxQ.tail.");
  std::set<vm::PhysicalAddress> published;
  for (auto index = tail; index != head;) {
    const auto number = index;
    const auto packet = view.packet(number, index);
    lab::CheckContext::require(packet == wire::make_flow_frame(flow, number, bytes).bytes,
                               "RxQ.head is " + std::to_string(head) + ", RxQ.tail " +
                                   std::to_string(tail) + ", and what stands in slot " +
                                   std::to_string(number) + " is not packet " +
                                   std::to_string(number) + " but " + describe(packet) + ".");
    published.insert(view.buffer(view.descriptor(Queue::receive, number).buffer).value_or(0));
  }
  lab::CheckContext::require(published.size() == head - tail,
                             "Two published packets have the same buffer.");
  for (const auto& descriptor : nic.receive_ring()) {
    lab::CheckContext::require(
        !descriptor.with_chip || descriptor.done || !published.contains(descriptor.buffer),
        "The chip has a buffer whose packet the program has not returned.");
  }
  return head - tail;
}

}  // namespace

void check_receive(lab::CheckContext& context) {
  for (const bool init_on_free : {false, true}) {
    auto machine = start_loaded(context, "card",
                                [&](vm::MachineSpec& spec) { spec.init_on_free = init_on_free; });
    auto link = context.link(machine, "net0");
    receive_sizes(context, machine, link, {});
    if (!init_on_free) receive_sizes(context, machine, link, {.own_memory = true});
    context.require_quiet_kernel(machine);
  }
  context.observed(
      "64, 200, 1514 and 9000 bytes: one place, from descriptor to page-table entry; init_on_free "
      "0 and 1, and in the program's own memory");
}

void check_recycle(lab::CheckContext& context) {
  auto machine = start_loaded(context);
  auto link = context.link(machine, "net0");
  RingProbe probe(context, machine);
  const RingShape shape{.rx_slots = 64, .tx_slots = 8};
  const auto place = probe.open_ring(shape);
  probe.set_mode(ZCL_MODE_RING);
  bring_up(machine);
  const Nic nic(machine, "net0");
  const auto flow = flow_to(context, nic);

  // Frames wait in the chip's ring all the time; never more of them than it has descriptors at the
  // end of a pass, since QEMU drops what else is waiting when it stops.
  constexpr std::uint32_t kFrames = 10'000;
  constexpr std::uint32_t kMostWaiting = 180;
  constexpr std::size_t kBytes = 100;
  // It leaves up to 20 packets in its slots, so that there is something to be looked at.
  const auto command = "consume " + std::to_string(kFrames) + " busy 20";
  probe.start(command);
  std::uint32_t sent = 0;
  std::uint32_t head = 0;
  std::uint64_t looked_at = 0;
  std::uint64_t stops = 0;
  const base::Deadline deadline("all frames to reach RxBuf", kPatience);
  while (head < kFrames) {
    const auto batch = std::min(kFrames - sent, kMostWaiting - (sent - head));
    send(link, make_frames(flow, sent, batch, kBytes));
    sent += batch;
    const Pause pause(machine);
    const RingView view(machine, place, shape);
    looked_at += require_published(view, nic, flow, kBytes);
    head = view.head(Queue::receive);
    ++stops;
    context.require(head <= sent, "RxQ.head is " + std::to_string(head) + " after " +
                                      std::to_string(sent) + " frames.");
    context.require(!deadline.passed(),
                    "Of " + std::to_string(sent) + " frames not all reach RxBuf.");
  }
  const auto answer = probe.expect(command, "The program does not get all packets.");
  context.require(answer.ok, "The program failed: " + answer.text);
  const Pause pause(machine);
  const RingView view(machine, place, shape);
  context.require(view.head(Queue::receive) == kFrames && view.tail(Queue::receive) == kFrames,
                  "After " + std::to_string(kFrames) + " packets RxQ is " +
                      std::to_string(view.head(Queue::receive)) + ", " +
                      std::to_string(view.tail(Queue::receive)) + ".");
  context.require_quiet_kernel(machine);
  context.observed(std::to_string(kFrames) + " packets through 64 slots in order; " +
                   std::to_string(looked_at) + " looked at in " + std::to_string(stops) +
                   " random moments");
}

}  // namespace zcl::lab03
