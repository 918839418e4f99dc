// SPDX-License-Identifier: MIT
// Step transmit, further: packets for the ring beside packets for the stack, changes of mode under
// traffic, several NICs, and an IOMMU.
#include <algorithm>
#include <set>

#include "labs/03_dma_driver/host/checks.hh"
#include "labs/03_dma_driver/host/support.hh"

namespace zcl::lab03 {

namespace {

constexpr std::uint16_t kIpv4 = 0x0800;

std::uint16_t internet_checksum(base::ByteView bytes) {
  std::uint32_t sum = 0;
  for (std::size_t i = 0; i + 1 < bytes.size(); i += 2) {
    sum += static_cast<std::uint32_t>(bytes[i] << 8 | bytes[i + 1]);
  }
  while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<std::uint16_t>(~sum);
}

void store_be16(base::Bytes& bytes, std::size_t at, std::uint32_t value) {
  bytes[at] = static_cast<std::uint8_t>(value >> 8);
  bytes[at + 1] = static_cast<std::uint8_t>(value);
}

/// "ping", number `sequence`: a request that kernel or program sends back.
wire::Frame make_echo_request(const Nic& nic, std::uint32_t sequence) {
  base::Bytes packet(20 + 8 + 32);
  packet[0] = 0x45;
  store_be16(packet, 2, static_cast<std::uint32_t>(packet.size()));
  packet[8] = 64;  // time to live
  packet[9] = 1;   // ICMP
  for (unsigned i = 0; i < 4; ++i) {
    packet[12 + i] = static_cast<std::uint8_t>(kHostIp >> (24 - 8 * i));
    packet[16 + i] = static_cast<std::uint8_t>(kGuestIp >> (24 - 8 * i));
  }
  store_be16(packet, 10, internet_checksum(base::ByteView(packet).first(20)));
  packet[20] = 8;  // echo request
  store_be16(packet, 26, sequence);
  store_be16(packet, 22, internet_checksum(base::ByteView(packet).subspan(20)));
  return wire::make_frame(nic.mac(), kHost, kIpv4, packet);
}

/// The number of a request or an answer to one, or nothing.
std::optional<std::uint32_t> echo_sequence(base::ByteView frame) {
  if (wire::ethertype(frame) != kIpv4 || frame.size() < 42 || frame[23] != 1) return std::nullopt;
  return frame[40] << 8 | frame[41];
}

bool is_echo_answer(base::ByteView frame) {
  return echo_sequence(frame) && frame[34] == 0;
}

}  // namespace

void check_split(lab::CheckContext& context) {
  auto machine = start_loaded(context);
  auto link = context.link(machine, "net0");
  RingProbe probe(context, machine);
  const RingShape shape;
  const auto place = probe.open_ring(shape);
  constexpr std::uint16_t kPort = 7000;
  probe.must("filter_port " + std::to_string(kPort), "ZCL_SET_FILTER");
  probe.set_mode(ZCL_MODE_SPLIT);
  const auto interface = bring_up(machine, "net0", kGuestAddress);
  probe.must("neighbour " + interface + " 10.0.0.1 " + to_hex(kHost), "setting a neighbour");
  const Nic nic(machine, "net0");

  std::uint32_t in_ring = 0;
  std::uint32_t pings = 0;
  /// `frame` must go to the ring, and the pings around it to the stack.
  const auto expect_in_ring = [&](const MarkedFrame* marked, const wire::Frame& frame,
                                  const std::string& what) {
    send(link, {make_echo_request(nic, pings), frame, make_echo_request(nic, pings + 1)});
    for (unsigned i = 0; i < 2; ++i, ++pings) {
      receive_frame(
          link,
          [&](base::ByteView bytes) {
            return is_echo_answer(bytes) && echo_sequence(bytes) == pings;
          },
          "In split mode the guest does not answer a ping: what the filter refuses must "
          "go to the network stack.");
    }
    wait_until(
        machine,
        [&] {
          const Pause pause(machine);
          return RingView(machine, place, shape).head(Queue::receive) == in_ring + 1;
        },
        "RxQ.head is not " + std::to_string(in_ring + 1) + " after " + what + ".");
    const Pause pause(machine);
    const RingView view(machine, place, shape);
    std::uint32_t next = 0;
    context.require(view.packet(in_ring, next) == frame.bytes,
                    "What went to the ring is not " + what + ".");
    if (marked != nullptr) {
      context.require(xray::take_census(machine.memory(), marked->payload).copies() == 1,
                      what + " stands in more than one place: the flow under study was copied.");
    }
    ++in_ring;
  };
  for (unsigned i = 0; i < 5; ++i) {
    expect_in_ring(nullptr,
                   wire::make_udp_frame(nic.mac(), kHost, kHostIp, kGuestIp, 5000, kPort,
                                        context.random().bytes(100)),
                   "a datagram to the filter's port");
  }
  probe.must("filter_ethertype " + std::to_string(kEthertype), "ZCL_SET_FILTER");
  const MarkedFrame marked(context, nic.mac(), 1000);
  expect_in_ring(&marked, marked.frame, "A frame of the filter's ethertype");
  probe.must("filter_bpf 16 " + std::to_string(0x1234), "ZCL_SET_FILTER");
  auto frame = MarkedFrame(context, nic.mac(), 300).frame;
  frame.bytes[16] = 0x12;
  frame.bytes[17] = 0x34;
  expect_in_ring(nullptr, frame, "A frame that the BPF program wants");
  context.require_quiet_kernel(machine);
  context.observed("7 frames by port, ethertype and BPF to the ring, " + std::to_string(pings) +
                   " pings between them to the stack");
}

void check_modes(lab::CheckContext& context) {
  auto machine = start_loaded(context);
  auto link = context.link(machine, "net0");
  RingProbe probe(context, machine);
  const auto interface = bring_up(machine, "net0", kGuestAddress);
  probe.must("neighbour " + interface + " 10.0.0.1 " + to_hex(kHost), "setting a neighbour");
  probe.open_ring({.rx_slots = 128, .tx_slots = 64});
  const Nic nic(machine, "net0");

  // In stack mode the kernel answers a ping; in ring mode the program sends it back as it is.
  constexpr std::uint32_t kPings = 1000;
  constexpr std::uint32_t kMostPings = 10 * kPings;  // until some went each way
  constexpr std::uint32_t kSome = 50;
  constexpr std::uint32_t kBatch = 20;
  std::set<std::uint32_t> back;
  std::uint32_t answers = 0;
  const std::string command = "alternate";
  probe.start(command);
  const auto take = [&](const base::Deadline& deadline) {
    const auto frame = link.receive(deadline);
    if (!frame) return false;
    const auto sequence = echo_sequence(frame->bytes);
    if (sequence && back.insert(*sequence).second && is_echo_answer(frame->bytes)) ++answers;
    return true;
  };
  const auto both_ways = [&] { return answers >= kSome && back.size() - answers >= kSome; };
  const auto collect = [&](std::uint32_t sent) {
    const base::Deadline deadline("pings to come back", kPatience);
    while (back.size() < sent && take(deadline)) {
    }
    context.require(back.size() >= sent, "Of " + std::to_string(sent) +
                                             " pings during changes of mode " +
                                             std::to_string(sent - back.size()) + " were lost.");
  };
  std::uint32_t sent = 0;
  for (; sent < kPings || (sent < kMostPings && !both_ways()); sent += kBatch) {
    std::vector<wire::Frame> frames;
    for (std::uint32_t i = 0; i < kBatch; ++i) frames.push_back(make_echo_request(nic, sent + i));
    send(link, frames);
    collect(sent);  // the batch before: one is always on its way
  }
  collect(sent);
  probe.start("nothing");
  const auto answer = probe.expect(command, "The program does not end.");
  probe.expect("nothing", "The program does not end.");
  context.require(answer.ok, "A change of mode failed: " + answer.text);
  context.require(both_ways(),
                  std::to_string(answers) + " of " + std::to_string(sent) +
                      " pings were answered by the kernel; some, not all, were to be.");
  context.require_quiet_kernel(machine);
  context.observed(std::to_string(sent) + " pings back, " + std::to_string(answers) +
                   " of them from the kernel, the others through the ring");
}

void check_cards(lab::CheckContext& context) {
  auto machine = start_loaded(context, "cards");
  struct Card {
    std::string id;
    wire::Link link;
    RingProbe probe;
    RingPlace place;
    Nic nic;
  };
  const RingShape shape;
  std::vector<Card> cards;
  for (unsigned i = 0; i < 3; ++i) {
    const auto id = "net" + std::to_string(i);
    RingProbe probe(context, machine);
    auto place = probe.open_ring(shape, "/dev/zcl" + std::to_string(i));
    probe.set_mode(ZCL_MODE_RING);
    bring_up(machine, id);
    cards.push_back({.id = id,
                     .link = context.link(machine, id),
                     .probe = std::move(probe),
                     .place = place,
                     .nic = Nic(machine, id)});
  }
  std::vector<std::vector<MarkedFrame>> sent(cards.size());
  const auto exchange = [&](std::size_t without) {
    for (unsigned round = 0; round < 3; ++round) {
      for (std::size_t i = 0; i < cards.size(); ++i) {
        if (i == without) continue;
        sent[i].emplace_back(context, cards[i].nic.mac(), 500);
        send(cards[i].link, {sent[i].back().frame});
      }
    }
    for (std::size_t i = 0; i < cards.size(); ++i) {
      if (i == without) continue;
      wait_until(
          machine,
          [&] {
            cards[i].probe.must("sync " + std::to_string(ZCL_SYNC_RX | ZCL_SYNC_BUSY), "ZCL_SYNC");
            const Pause pause(machine);
            return RingView(machine, cards[i].place, shape).head(Queue::receive) == sent[i].size();
          },
          "Not all frames to " + cards[i].id + " reach its ring.");
      const Pause pause(machine);
      const RingView view(machine, cards[i].place, shape);
      std::uint32_t index = 0;
      for (const auto& frame : sent[i]) {
        const auto at = index;
        const auto where = view.buffer(view.descriptor(Queue::receive, at).buffer);
        context.require(view.packet(at, index) == frame.frame.bytes,
                        "What stands in the ring of " + cards[i].id + " was not sent to it.");
        const auto census = xray::take_census(machine.memory(), frame.payload);
        context.require(census.copies() == 1 && census.places.front().address ==
                                                    where.value_or(0) + wire::kEthernetHeader,
                        "A frame to " + cards[i].id + " stands outside of its pool.");
      }
    }
  };
  exchange(cards.size());
  machine.unplug("net1");
  exchange(1);
  const auto answer = cards[1].probe.ask("sync " + std::to_string(ZCL_SYNC_RX));
  context.require(!answer.ok, "A NIC that was unplugged still receives.");
  cards[1].probe.finish();
  context.require_quiet_kernel(machine);
  context.observed(
      "three NICs, three pools, 15 frames each in its own; one unplugged, the others "
      "go on");
}

void check_iommu(lab::CheckContext& context) {
  auto machine = start_loaded(context, "iommu");
  auto link = context.link(machine, "net0");
  RingProbe probe(context, machine);
  const RingShape shape{.rx_slots = 64, .tx_slots = 32};
  const auto place = probe.open_ring(shape);
  probe.set_mode(ZCL_MODE_RING);
  bring_up(machine);
  const Nic nic(machine, "net0");
  std::vector<MarkedFrame> frames;
  for (const std::size_t bytes : {64U, 1514U, 9000U})
    frames.emplace_back(context, nic.mac(), bytes);
  const auto command = "forward " + std::to_string(frames.size()) + " poll";
  probe.start(command);
  std::uint32_t slot = 0;
  for (const auto& marked : frames) {
    const auto what =
        "Behind an IOMMU a frame of " + std::to_string(marked.frame.bytes.size()) + " bytes ";
    send(link, {marked.frame});
    receive_frame(
        link,
        [&](base::ByteView bytes) {
          return bytes.size() == marked.frame.bytes.size() &&
                 std::equal(bytes.begin() + 14, bytes.end(), marked.frame.bytes.begin() + 14);
        },
        what + "is not forwarded: the chip was given an address that is not the DMA API's.");
    const Pause pause(machine);
    const RingView view(machine, place, shape);
    const auto census = xray::take_census(machine.memory(), marked.payload);
    const auto buffer = view.buffer(view.descriptor(Queue::transmit, slot).buffer);
    context.require(census.copies() == 1 &&
                        census.places.front().address == buffer.value_or(0) + wire::kEthernetHeader,
                    what + "does not stand in one place, the pool.");
    slot += static_cast<std::uint32_t>((marked.frame.bytes.size() + shape.buffer_bytes - 1) /
                                       shape.buffer_bytes);
  }
  probe.expect(command, "The forwarder does not end.");
  context.require_quiet_kernel(machine);
  context.observed("64, 1514 and 9000 bytes in and out through the IOMMU, one place each");
}

}  // namespace zcl::lab03
