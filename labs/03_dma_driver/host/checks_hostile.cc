// SPDX-License-Identifier: MIT
// Step mmap, further: a program that writes to ring page and pool whatever it likes loses its own
// packets and nothing else.
#include <algorithm>
#include <set>

#include "labs/03_dma_driver/host/checks.hh"
#include "labs/03_dma_driver/host/support.hh"

namespace zcl::lab03 {

namespace {

constexpr std::size_t kBytes = 100;

std::string little_endian(std::uint32_t value) {
  base::Bytes bytes(4);
  for (unsigned i = 0; i < 4; ++i) bytes[i] = static_cast<std::uint8_t>(value >> 8 * i);
  return to_hex(bytes);
}

/// The chip's receive descriptors point into the program's pool and nowhere else, each at another
/// buffer. Paused.
void require_contained(const RingPlace& place, const RingView& view, const Nic& nic,
                       const std::string& after) {
  std::set<vm::PhysicalAddress> pool;
  for (std::uint32_t i = 0; i < place.buffers; ++i) pool.insert(view.buffer(i).value_or(0));
  std::set<vm::PhysicalAddress> used;
  for (const auto& descriptor : nic.receive_ring()) {
    lab::CheckContext::require(pool.contains(descriptor.buffer),
                               "After " + after + " the chip has a receive buffer at " +
                                   to_hex(descriptor.buffer) + ", outside of the pool.");
    lab::CheckContext::require(
        used.insert(descriptor.buffer).second,
        "After " + after + " the chip has the buffer at " + to_hex(descriptor.buffer) + " twice.");
  }
}

}  // namespace

void check_hostile(lab::CheckContext& context) {
  auto machine = start_loaded(context);
  auto link = context.link(machine, "net0");
  RingProbe probe(context, machine);
  const RingShape shape{.rx_slots = 8, .tx_slots = 8, .spares = 8};
  const auto place = probe.open_ring(shape);
  probe.set_mode(ZCL_MODE_RING);
  const auto interface = bring_up(machine);
  const Nic nic(machine, "net0");
  const auto flow = flow_to(context, nic);
  const auto sync = [&] {
    probe.must("sync " + std::to_string(ZCL_SYNC_RX | ZCL_SYNC_BUSY), "ZCL_SYNC");
  };
  // From the first one on the chip's descriptors hold buffers of the pool again.
  const auto begin_anew = [&] {
    probe.must("reset", "ZCL_RESET");
    machine.agent().interface_down(interface);
    bring_up(machine);
  };
  const auto poke_tail = [&](std::uint32_t value) {
    probe.must("poke " + to_hex(place.page + offsetof(zcl_ring_page, rxq.tail)) + " " +
                   little_endian(value),
               "writing RxQ.tail");
  };
  const auto poke_slot = [&](std::uint32_t slot, std::uint32_t buffer) {
    probe.must("poke " + to_hex(place.page + sizeof(zcl_ring_page) + slot * 16) + " " +
                   little_endian(buffer),
               "writing a slot");
  };

  // RxBuf is full. No tail outside of [0, 8] may open it: 3 would be honest.
  send_and_settle(machine, link, nic, make_frames(flow, 0, 8, kBytes), 8);
  sync();
  std::uint64_t sequence = 8;
  for (const std::uint32_t tail : {9U, 0xffffffffU, 0x80000000U, 0xfffffff8U, 16U, 0x7fffffffU}) {
    poke_tail(tail);
    send_and_settle(machine, link, nic, make_frames(flow, sequence, 2, kBytes), 2);
    sequence += 2;
    sync();
    const Pause pause(machine);
    const RingView view(machine, place, shape);
    context.require(view.head(Queue::receive) == 8, "With RxQ.tail " + to_hex(tail) +
                                                        " RxQ.head goes to " +
                                                        std::to_string(view.head(Queue::receive)) +
                                                        " although no slot was returned.");
    for (std::uint32_t index = 0; index < 8;) {
      const auto number = index;
      context.require(
          view.packet(number, index) == wire::make_flow_frame(flow, number, kBytes).bytes,
          "With RxQ.tail " + to_hex(tail) +
              " the kernel writes over packets that "
              "were not returned.");
    }
    require_contained(place, view, nic, "a wrong tail");
  }
  poke_tail(0);
  sync();

  // Every free slot names a buffer that is not the program's to give.
  std::uint32_t nics = 0;
  {
    const Pause pause(machine);
    const RingView view(machine, place, shape);
    for (std::uint32_t i = 0; i < place.buffers; ++i) {
      if (view.buffer(i) == nic.receive_ring().front().buffer) nics = i;
    }
  }
  begin_anew();
  const std::uint32_t spare = shape.rx_slots + shape.tx_slots;
  struct Bad {
    std::uint32_t buffer;
    const char* what;
  };
  for (const auto& bad : {Bad{0xffffffff, "buffer -1"}, Bad{place.buffers, "one buffer too far"},
                          Bad{0x01000000, "a buffer far behind the pool"},
                          Bad{place.buffers - 1, "a buffer that the NIC has"},
                          Bad{nics, "a buffer that the NIC had"}, Bad{spare, "one buffer twice"}}) {
    for (std::uint32_t slot = 0; slot < shape.rx_slots; ++slot) poke_slot(slot, bad.buffer);
    send_and_settle(machine, link, nic, make_frames(flow, sequence, 6, kBytes), 6);
    sequence += 6;
    sync();
    {
      const Pause pause(machine);
      const RingView view(machine, place, shape);
      require_contained(place, view, nic, std::string("offering ") + bad.what);
    }
    begin_anew();
  }

  // Anything anywhere, under traffic; then everything works again.
  for (unsigned round = 0; round < 3; ++round) {
    send(link, make_frames(flow, sequence, 60, kBytes));
    sequence += 60;
    const auto command =
        "scribble " + std::to_string(context.random().below(1U << 30)) + " 4000 40";
    probe.start(command);
    probe.expect(command, "A program that scribbles over its ring page brings it all to a halt.");
    const Pause pause(machine);
    require_contained(place, RingView(machine, place, shape), nic, "scribbling");
  }
  begin_anew();
  send_and_settle(machine, link, nic, make_frames(flow, 0, 6, kBytes), 6);
  sync();
  const Pause pause(machine);
  const RingView view(machine, place, shape);
  context.require(view.head(Queue::receive) == 6, "After ZCL_RESET six frames bring RxQ.head to " +
                                                      std::to_string(view.head(Queue::receive)) +
                                                      ".");
  for (std::uint32_t index = 0; index < 6;) {
    const auto number = index;
    context.require(view.packet(number, index) == wire::make_flow_frame(flow, number, kBytes).bytes,
                    "After ZCL_RESET packet " + std::to_string(number) + " is wrong.");
  }
  context.require_quiet_kernel(machine);
  context.observed(
      "6 wrong tails, 6 wrong buffers, 12,000 random stores: packets lost, nothing else");
}

}  // namespace zcl::lab03
