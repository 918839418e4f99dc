// SPDX-License-Identifier: MIT
// Step transmit: out of the network stack, out of the pool, and straight through.
#include <algorithm>

#include "labs/03_dma_driver/host/checks.hh"
#include "labs/03_dma_driver/host/support.hh"

namespace zcl::lab03 {

namespace {

/// The bytes of a frame from the program to us. `bytes` in all.
struct Outgoing {
  Outgoing(lab::Context& context, const Nic& nic, std::size_t bytes)
      : payload(context.random(), bytes - wire::kEthernetHeader),
        frame(wire::make_frame(kHost, nic.mac(), kEthertype, payload.bytes()).bytes) {}
  xray::Payload payload;
  base::Bytes frame;
};

void expect_on_wire(wire::Link& link, const base::Bytes& frame, const std::string& what) {
  const auto got = receive_frame(
      link, [](base::ByteView bytes) { return wire::ethertype(bytes) == kEthertype; },
      what + " does not leave the NIC.");
  lab::CheckContext::require(got.bytes == frame, what + " leaves the NIC with other content: " +
                                                     std::to_string(got.bytes.size()) + " bytes.");
}

std::string little_endian(std::uint64_t value, unsigned bytes) {
  base::Bytes text(bytes);
  for (unsigned i = 0; i < bytes; ++i) text[i] = static_cast<std::uint8_t>(value >> 8 * i);
  return to_hex(text);
}

}  // namespace

void check_stack(lab::CheckContext& context) {
  auto machine = start_loaded(context);
  auto link = context.link(machine, "net0");
  const Nic nic(machine, "net0");
  RingProbe probe(context, machine);
  const auto interface = machine.agent().interface_of("net0");
  probe.must("set_mtu " + interface + " 9000", "setting the MTU");
  bring_up(machine, "net0", kGuestAddress);

  // ARP: a frame shorter than the smallest, which is to be padded with zeros.
  base::Bytes question = {0, 1, 8, 0, 6, 4, 0, 1};
  question.insert(question.end(), kHost.begin(), kHost.end());
  question.insert(question.end(), {10, 0, 0, 1, 0, 0, 0, 0, 0, 0, 10, 0, 0, 2});
  send(link, {wire::make_frame(kBroadcast, kHost, 0x0806, question)});
  const auto reply = receive_frame(
      link,
      [](base::ByteView bytes) {
        return wire::ethertype(bytes) == 0x0806 && bytes.size() > 41 && bytes[21] == 2;
      },
      "The guest does not answer an ARP request: nothing leaves the NIC.");
  const auto mac = nic.mac();
  context.require(std::equal(mac.begin(), mac.end(), reply.bytes.begin() + 22) &&
                      reply.bytes.size() == wire::kMinimumFrame &&
                      std::all_of(reply.bytes.begin() + 42, reply.bytes.end(),
                                  [](std::uint8_t byte) { return byte == 0; }),
                  "The ARP answer is wrong.");

  // Datagrams, whose checksum the chip fills in; the large ones come in several pieces of memory.
  // More of them than the transmit ring has descriptors.
  probe.must("neighbour " + interface + " 10.0.0.1 " + to_hex(kHost), "setting a neighbour");
  constexpr unsigned kDatagrams = 300;
  for (unsigned i = 0; i < kDatagrams; ++i) {
    const std::size_t length = i % 100 == 0 ? 8000 : 1 + context.random().below(1400);
    const auto payload = context.random().bytes(length);
    probe.must("udp_send 10.0.0.1 4000 " + to_hex(payload), "sending a datagram");
    const auto frame = receive_frame(
        link,
        [](base::ByteView bytes) {
          return wire::ethertype(bytes) == 0x0800 && bytes.size() > 38 && bytes[36] == 4000 >> 8 &&
                 bytes[37] == (4000 & 0xff);
        },
        "Datagram " + std::to_string(i) + " of the network stack does not leave the NIC.");
    context.require(std::ranges::equal(wire::udp_payload(frame.bytes), payload),
                    "Datagram " + std::to_string(i) + ", " + std::to_string(length) +
                        " bytes, leaves with other content or a wrong checksum.");
  }
  // The kernel resets a card whose transmitter hangs, after five seconds of guest time.
  context.require(machine.console().find("NETDEV WATCHDOG") == std::string::npos,
                  "The transmit ring was full and stayed so: the driver does not learn what was "
                  "sent.");
  context.require_quiet_kernel(machine);
  context.observed("ARP answered; " + std::to_string(kDatagrams) +
                   " datagrams with checksums filled in by the chip");
}

void check_transmit(lab::CheckContext& context) {
  auto machine = start_loaded(context);
  auto link = context.link(machine, "net0");
  RingProbe probe(context, machine);
  const RingShape shape{.rx_slots = 32, .tx_slots = 32};
  const auto place = probe.open_ring(shape);
  probe.set_mode(ZCL_MODE_RING);
  bring_up(machine);
  const Nic nic(machine, "net0");
  const auto sync = [&] { probe.must("sync " + std::to_string(ZCL_SYNC_TX), "ZCL_SYNC"); };

  struct Size {
    std::size_t bytes;
    std::size_t piece;
  };
  std::uint32_t sent = 0;
  for (const auto& [bytes, piece] :
       {Size{64, 2048}, Size{200, 2048}, Size{1514, 600}, Size{1514, 2048}, Size{9000, 2048}}) {
    const auto what = "A packet of " + std::to_string(bytes) + " bytes in pieces of " +
                      std::to_string(std::min(bytes, piece));
    const Outgoing packet(context, nic, bytes);
    const auto head = nic.read(Register::tdh);
    probe.must("send " + std::to_string(piece) + " " + to_hex(packet.frame), "sending");
    expect_on_wire(link, packet.frame, what);
    const auto pieces = static_cast<std::uint32_t>((bytes + piece - 1) / piece);
    const Pause pause(machine);
    const RingView view(machine, place, shape);
    const auto census = xray::take_census(machine.memory(), packet.payload);
    context.require(census.copies() == 1, what + " stands in " + std::to_string(census.copies()) +
                                              " places of RAM: it was copied on its way out.");
    const auto ring = nic.transmit_ring();
    for (std::uint32_t i = 0; i < pieces; ++i) {
      const auto buffer = view.buffer(view.descriptor(Queue::transmit, sent + i).buffer);
      context.require(!ring.empty() && buffer == ring.at((head + i) % ring.size()).buffer,
                      what + ": the chip's descriptors do not point at the buffers of TxBuf.");
    }
    sent += pieces;
  }
  sync();
  const auto require_returned = [&](const std::string& when) {
    const Pause pause(machine);
    const RingView view(machine, place, shape);
    context.require(view.tail(Queue::transmit) == sent && view.head(Queue::transmit) == sent,
                    "TxQ.tail is " + std::to_string(view.tail(Queue::transmit)) + " of " +
                        std::to_string(sent) + " slots " + when + ".");
  };
  require_returned("after everything has left");

  // Refused: nothing of them may leave. The good one behind them must.
  std::uint32_t nics = 0;
  std::uint32_t own = 0;
  {
    const Pause pause(machine);
    const RingView view(machine, place, shape);
    const auto received = nic.receive_ring();
    own = view.descriptor(Queue::transmit, sent).buffer;
    for (std::uint32_t i = 0; i < place.buffers; ++i) {
      if (view.buffer(i) == received.back().buffer) nics = i;
    }
  }
  struct Bad {
    std::uint32_t buffer;
    std::uint32_t length;
    std::uint8_t flags;
    const char* what;
  };
  constexpr std::uint8_t kWhole = ZCL_START_OF_PACKET | ZCL_END_OF_PACKET;
  const Bad all_bad[] = {
      {0xffffffff, 100, kWhole, "buffer -1"},
      {place.buffers, 100, kWhole, "a buffer behind the pool"},
      {nics, 100, kWhole, "a buffer that the NIC has"},
      {own, 0, kWhole, "no bytes"},
      {own, shape.buffer_bytes + 1, kWhole, "more bytes than a buffer"},
      {own, 100, ZCL_END_OF_PACKET, "an end without a start"},
  };
  const auto slot_address = [&](std::uint32_t index) {
    return place.page + sizeof(zcl_ring_page) +
           (shape.rx_slots + (index & (shape.tx_slots - 1))) * sizeof(zcl_descriptor);
  };
  for (const auto& bad : all_bad) {
    probe.must("skip_slot", "reserving a slot");
    probe.must("poke " + to_hex(slot_address(sent)) + " " + little_endian(bad.buffer, 4) +
                   little_endian(bad.length, 2) + little_endian(bad.flags, 1),
               "writing a slot");
    const Outgoing good(context, nic, 100);
    probe.must("send 2048 " + to_hex(good.frame), "sending");
    expect_on_wire(link, good.frame, std::string("The packet behind a slot with ") + bad.what);
    {
      const Pause pause(machine);
      const RingView view(machine, place, shape);
      context.require(view.descriptor(Queue::transmit, sent).flags == ZCL_FAILED,
                      std::string("A slot with ") + bad.what + " is not marked ZCL_FAILED.");
    }
    probe.must("poke " + to_hex(slot_address(sent)) + " " + little_endian(own, 4),
               "putting the slot's buffer back");
    sent += 2;
    sync();
    require_returned(std::string("after a slot with ") + bad.what);
    const Pause pause(machine);
    own = RingView(machine, place, shape).descriptor(Queue::transmit, sent).buffer;
  }
  context.require_quiet_kernel(machine);
  context.observed("five packets from where the program wrote them, one place each; " +
                   std::to_string(std::size(all_bad)) + " wrong slots refused");
}

void check_forward(lab::CheckContext& context) {
  auto machine = start_loaded(context);
  auto link = context.link(machine, "net0");
  RingProbe probe(context, machine);
  const RingShape shape{.rx_slots = 128, .tx_slots = 32};
  probe.open_ring(shape);
  probe.set_mode(ZCL_MODE_RING);
  bring_up(machine);
  const Nic nic(machine, "net0");
  const auto flow = flow_to(context, nic);
  wire::FlowAccount account(flow);

  constexpr std::uint64_t kFrames = 600;
  constexpr std::uint64_t kBatch = 60;
  const auto command = "forward " + std::to_string(kFrames + 1) + " poll";
  probe.start(command);
  for (std::uint64_t sent = 0; sent < kFrames; sent += kBatch) {
    std::vector<wire::Frame> frames;
    for (std::uint64_t i = sent; i < sent + kBatch; ++i) {
      const std::size_t bytes = i % 20 == 0 ? 5000 : 60 + context.random().below(1400);
      frames.push_back(wire::make_flow_frame(flow, i, bytes));
      account.offered(i, bytes);
    }
    send(link, frames);
    for (std::uint64_t i = 0; i < kBatch;) {
      const auto frame = receive_frame(
          link, [](base::ByteView bytes) { return wire::ethertype(bytes) == kEthertype; },
          "Of " + std::to_string(sent + kBatch) + " frames the forwarder sends back " +
              std::to_string(sent + i) + ".");
      const auto mac = nic.mac();
      context.require(std::equal(kHost.begin(), kHost.end(), frame.bytes.begin()) &&
                          std::equal(mac.begin(), mac.end(), frame.bytes.begin() + 6),
                      "A forwarded frame's MAC addresses are not swapped.");
      if (account.arrived(frame.bytes)) ++i;
    }
  }
  const auto totals = account.totals();
  context.require(totals.delivered == kFrames && totals.reordered == 0 && totals.corrupted == 0,
                  "Forwarding: " + totals.text() + ".");

  const MarkedFrame marked(context, nic.mac(), 1514);
  send(link, {marked.frame});
  receive_frame(
      link,
      [&](base::ByteView bytes) {
        return bytes.size() == marked.frame.bytes.size() &&
               std::equal(bytes.begin() + 14, bytes.end(), marked.frame.bytes.begin() + 14);
      },
      "The last frame is not sent back.");
  const auto answer = probe.expect(command, "The forwarder does not end.");
  context.require(answer.ok, "The forwarder failed: " + answer.text);
  const Pause pause(machine);
  const auto census = xray::take_census(machine.memory(), marked.payload);
  const auto place_of_frame = census.places.empty() ? 0 : census.places.front().address;
  const auto ring = nic.transmit_ring();
  context.require(census.copies() == 1 && std::ranges::any_of(ring,
                                                              [&](const auto& descriptor) {
                                                                return descriptor.buffer +
                                                                           wire::kEthernetHeader ==
                                                                       place_of_frame;
                                                              }),
                  "A forwarded frame stands in " + std::to_string(census.copies()) +
                      " places; it must stand in one, which both rings' descriptors name.");
  context.require_quiet_kernel(machine);
  context.observed(std::to_string(kFrames) +
                   " frames of 60 to 5000 bytes, in order, addresses swapped, one place");
}

}  // namespace zcl::lab03
