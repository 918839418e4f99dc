// SPDX-License-Identifier: MIT
// Steps chip, rx_ring, clean and interrupt: the driver as an ordinary NIC driver, up to where
// frames reach the network stack.
#include <algorithm>
#include <set>

#include "labs/03_dma_driver/host/checks.hh"
#include "labs/03_dma_driver/host/support.hh"

namespace zcl::lab03 {

namespace {

constexpr std::uint32_t kRingSlots = 256;  ///< the driver's default
constexpr std::uint64_t kRegisterBytes = 0x20000;

/// Registers as another driver, or firmware, may have left them: receiver and transmitter on,
/// interrupts enabled.
void leave_chip_running(lab::Context& context, vm::Machine& machine, vm::PhysicalAddress bar) {
  RingProbe probe(context, machine);
  const auto file = probe.must("open /dev/mem sync", "opening /dev/mem").at(0);
  const auto registers = probe.number(
      "map " + file + " " + to_hex(bar) + " " + std::to_string(kRegisterBytes) + " rw shared",
      "mapping the chip's registers");
  const auto write = [&](Register which, std::uint32_t value) {
    probe.must("poke32 " + to_hex(registers + static_cast<std::uint32_t>(which)) + " " +
                   std::to_string(value),
               "writing a register");
  };
  write(Register::ims, kRxTimer);
  write(Register::tctl, kEnable);
  write(Register::rctl, kEnable);
  probe.finish();
}

wire::MacAddress receive_address(const Nic& nic) {
  const auto low = nic.read(Register::ral);
  const auto high = nic.read(Register::rah);
  return {static_cast<std::uint8_t>(low),       static_cast<std::uint8_t>(low >> 8),
          static_cast<std::uint8_t>(low >> 16), static_cast<std::uint8_t>(low >> 24),
          static_cast<std::uint8_t>(high),      static_cast<std::uint8_t>(high >> 8)};
}

/// No descriptor points outside of RAM in use, and no two at overlapping memory. Paused.
void require_sound_buffers(vm::Machine& machine, const std::vector<xray::NicDescriptor>& ring) {
  std::set<vm::PhysicalAddress> buffers;
  for (const auto& descriptor : ring) {
    lab::CheckContext::require(machine.memory().contains(descriptor.buffer, descriptor.capacity) &&
                                   labs::page_references(machine, descriptor.buffer) > 0,
                               "Descriptor " + std::to_string(descriptor.index) + " points at " +
                                   to_hex(descriptor.buffer) +
                                   ", which is no memory that the driver has allocated.");
    buffers.insert(descriptor.buffer);
  }
  vm::PhysicalAddress end = 0;
  for (const auto buffer : buffers) {
    lab::CheckContext::require(buffer >= end, "Two receive buffers overlap at " + to_hex(buffer) +
                                                  ": the chip will write over what it received.");
    end = buffer + ring.front().capacity;
  }
  lab::CheckContext::require(buffers.size() == ring.size(),
                             "Two descriptors point at the same buffer.");
}

}  // namespace

void check_chip(lab::CheckContext& context) {
  auto machine = context.start("card");
  const Nic nic(machine, "net0");
  leave_chip_running(context, machine, nic.bar());
  context.require((nic.read(Register::rctl) & kEnable) != 0, "The host cannot set the scene.");
  context.load(machine, "zcl_ring");
  context.load(machine, "zcl_e1000");
  {
    const Pause pause(machine);
    const auto address = netdev_address(machine);
    context.require(address.has_value(), "The driver has registered no network interface.");
    context.require(*address == nic.mac(), "The interface's address is " + to_hex(*address) +
                                               "; the card's EEPROM says " + to_hex(nic.mac()) +
                                               ".");
    context.require(nic.read(Register::ims) == 0,
                    "After the reset the interrupt mask is " + to_hex(nic.read(Register::ims)) +
                        ": interrupts that another driver enabled are still on.");
    context.require(((nic.read(Register::rctl) | nic.read(Register::tctl)) & kEnable) == 0,
                    "After the reset receiver or transmitter still runs, into memory of a driver "
                    "that is gone.");
  }
  RingProbe probe(context, machine);
  auto mac = context.random().bytes(6);
  mac[0] = 2;  // unicast, locally administered
  probe.must("set_mac " + machine.agent().interface_of("net0") + " " + to_hex(mac),
             "changing the interface's address");
  context.require(
      std::ranges::equal(receive_address(nic), mac) && (nic.read(Register::rah) & kValid) != 0,
      "The receiver's address filter (RAL, RAH) holds " + to_hex(receive_address(nic)) +
          ", valid bit " + std::to_string(nic.read(Register::rah) >> 31) + "; the interface has " +
          to_hex(mac) + ".");
  context.require_quiet_kernel(machine);
  context.observed("mask 0, receiver and transmitter off, address " + to_hex(nic.mac()) +
                   " from the EEPROM, filter follows the interface");
}

void check_rx_ring(lab::CheckContext& context) {
  auto machine = start_loaded(context);
  auto link = context.link(machine, "net0");
  bring_up(machine);
  const Nic nic(machine, "net0");
  std::vector<xray::NicDescriptor> ring;
  std::uint32_t head = 0;
  {
    const Pause pause(machine);
    head = nic.read(Register::rdh);
    const auto tail = nic.read(Register::rdt);
    ring = nic.receive_ring();
    context.require(
        ring.size() == kRingSlots,
        "The receive ring has " + std::to_string(ring.size()) + " descriptors in RAM, not 256.");
    context.require((tail + 1) % kRingSlots == head,
                    "Head is " + std::to_string(head) + " and tail " + std::to_string(tail) +
                        ": the chip must have all descriptors but one.");
    require_sound_buffers(machine, ring);
  }
  std::vector<MarkedFrame> frames;
  for (const std::size_t bytes : {64U, 1514U}) frames.emplace_back(context, nic.mac(), bytes);
  send_and_settle(machine, link, nic, {frames[0].frame, frames[1].frame}, 2);
  const Pause pause(machine);
  for (std::size_t i = 0; i < frames.size(); ++i) {
    const auto census = xray::take_census(machine.memory(), frames[i].payload);
    const auto& descriptor = ring.at((head + i) % kRingSlots);
    context.require(census.copies() == 1 &&
                        census.places.front().address == descriptor.buffer + wire::kEthernetHeader,
                    "Frame " + std::to_string(i) + " stands in " + std::to_string(census.copies()) +
                        " places; it must stand where descriptor " +
                        std::to_string(descriptor.index) + " pointed, at " +
                        to_hex(descriptor.buffer) + ", and nowhere else.");
  }
  context.require_quiet_kernel(machine);
  context.observed("256 descriptors, 255 with the chip; frames stand where they point");
}

void check_dma(lab::CheckContext& context) {
  auto machine = start_loaded(context, "iommu");
  auto link = context.link(machine, "net0");
  bring_up(machine);
  const Nic nic(machine, "net0");
  const MarkedFrame small(context, nic.mac(), 64);
  const MarkedFrame large(context, nic.mac(), 4000);
  // Into a wall, the chip's head moves as well.
  send_and_settle(machine, link, nic, {small.frame, large.frame}, 3);
  const Pause pause(machine);
  for (const auto* frame : {&small, &large}) {
    const auto copies = xray::take_census(machine.memory(), frame->payload).copies();
    context.require(copies == 1,
                    "Behind an IOMMU a frame of " + std::to_string(frame->frame.bytes.size()) +
                        " bytes stands in " + std::to_string(copies) +
                        " places of RAM, not in one: the chip was not given the address that the "
                        "DMA API returned.");
  }
  const auto bus = std::uint64_t{nic.read(Register::rdbah)} << 32 | nic.read(Register::rdbal);
  context.require_quiet_kernel(machine);
  context.observed("frames arrive through the IOMMU; the ring's bus address is " + to_hex(bus));
}

void check_clean(lab::CheckContext& context) {
  auto machine = start_loaded(context);
  auto link = context.link(machine, "net0");
  RingProbe probe(context, machine);
  // Room for everything in RxBuf, so that what is counted here is the chip's ring alone.
  const RingShape shape{.rx_slots = 2048};
  const auto place = probe.set_up(shape);
  probe.must("ioctl_number " + std::to_string(place.file) + " " + std::to_string(ZCL_SET_MODE) +
                 " " + std::to_string(ZCL_MODE_RING),
             "ZCL_SET_MODE");
  bring_up(machine);
  const Nic nic(machine, "net0");
  const auto flow = flow_to(context, nic);

  constexpr std::size_t kBatch = 150;
  constexpr std::size_t kBatches = 4;  // more than two rounds of 256
  constexpr std::size_t kLongFrame = 9000;
  constexpr std::uint32_t kLongBuffers = 5;
  std::uint32_t sent = 0;
  for (std::size_t batch = 0; batch < kBatches; ++batch) {
    send_and_settle(machine, link, nic, make_frames(flow, sent, kBatch, 200), kBatch);
    sent += kBatch;
    probe.sync(place, ZCL_SYNC_RX | ZCL_SYNC_BUSY);
    const Pause pause(machine);
    const auto head = nic.read(Register::rdh);
    const auto tail = nic.read(Register::rdt);
    context.require((tail + 1) % kRingSlots == head,
                    "After " + std::to_string(sent) + " frames and a receive pass each " +
                        std::to_string(kBatch) + ", the chip's head is " + std::to_string(head) +
                        " and its tail " + std::to_string(tail) +
                        ": the chip must have all descriptors back but one.");
    const auto ring = nic.receive_ring();
    require_sound_buffers(machine, ring);
    context.require(std::ranges::none_of(ring, &xray::NicDescriptor::done),
                    "A descriptor that was taken still says that it is done: when the ring comes "
                    "round, it is taken for a new frame.");
  }
  send_and_settle(machine, link, nic, make_frames(flow, sent, 3, kLongFrame), 3 * kLongBuffers);
  probe.sync(place, ZCL_SYNC_RX | ZCL_SYNC_BUSY);
  const Pause pause(machine);
  context.require((nic.read(Register::rdt) + 1) % kRingSlots == nic.read(Register::rdh),
                  "Frames of several buffers are not taken from the ring to their end.");
  context.require_quiet_kernel(machine);
  context.observed(std::to_string(sent) +
                   " frames and three of five buffers: every descriptor taken once and given back");
}

void check_interrupt(lab::CheckContext& context) {
  auto machine = start_loaded(context);
  auto link = context.link(machine, "net0");
  const auto interface = bring_up(machine);
  const Nic nic(machine, "net0");
  RingProbe probe(context, machine);
  const auto socket =
      probe.must("packet_socket " + interface + " " + std::to_string(kEthertype), "a packet socket")
          .at(0);
  let_receiver_start(machine);
  const auto memory = probe.number("anonymous 4096", "memory");
  const auto flow = flow_to(context, nic);

  std::uint64_t sequence = 0;
  for (const std::size_t burst : {32U, 32U, 200U}) {
    const auto before = raised_interrupts(machine);
    send_and_settle(machine, link, nic, make_frames(flow, sequence, burst, 200),
                    static_cast<std::uint32_t>(burst));
    for (std::size_t i = 0; i < burst; ++i, ++sequence) {
      const auto command = "receive " + socket + " " + to_hex(memory) + " 4096";
      probe.start(command);
      const auto answer = probe.expect(
          command, "Frame " + std::to_string(sequence) + " does not reach the network stack.");
      context.require(answer.ok, "receiving failed: " + answer.text);
      if (i % 16 != 0) continue;
      const Pause pause(machine);
      const auto page = labs::lookup(machine, probe.pid(), memory);
      const auto wanted = wire::make_flow_frame(flow, sequence, 200);
      context.require(page && std::ranges::equal(machine.memory().view(page->physical_address, 200),
                                                 wanted.bytes),
                      "The socket got something else than frame " + std::to_string(sequence) + ".");
    }
    const auto raised = raised_interrupts(machine) - before;
    // What is longer than 32 KiB may come to the card in two pieces.
    context.require(raised == 1 || (burst > 100 && raised == 2),
                    "A burst of " + std::to_string(burst) + " frames raised " +
                        std::to_string(raised) + " interrupts; one is right.");
  }
  context.require((nic.read(Register::ims) & kRxTimer) != 0,
                  "With nothing left to do the receive interrupt is still masked.");
  context.require_quiet_kernel(machine);
  context.observed("bursts of 32, 32 and 200 frames: one interrupt each, all in the socket");
}

}  // namespace zcl::lab03
