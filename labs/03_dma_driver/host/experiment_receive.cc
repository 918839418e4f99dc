// SPDX-License-Identifier: MIT
// The same driver, the same card: a packet in the program's hands by the ring, and by recvfrom.
#include "labs/03_dma_driver/host/experiments.hh"
#include "labs/03_dma_driver/host/support.hh"
#include "labs/common/host/text.hh"

namespace zcl::lab03 {

namespace {

using Row = std::vector<std::string>;

std::size_t places_by_ring(lab::ExperimentContext& context, vm::Machine& machine, wire::Link& link,
                           RingProbe& probe, const Nic& nic, std::size_t bytes) {
  const MarkedFrame marked(context, nic.mac(), bytes);
  send(link, {marked.frame});
  probe.must("wait poll", "waiting for a frame");
  const Pause pause(machine);
  return xray::take_census(machine.memory(), marked.payload).copies();
}

std::size_t places_by_socket(lab::ExperimentContext& context, vm::Machine& machine,
                             wire::Link& link, RingProbe& probe, const Nic& nic,
                             const std::string& socket, std::size_t bytes) {
  const auto memory = probe.number("anonymous 16384", "memory");
  const MarkedFrame marked(context, nic.mac(), bytes);
  send(link, {marked.frame});
  probe.must("receive " + socket + " " + to_hex(memory) + " 16384", "recv");
  const Pause pause(machine);
  return xray::take_census(machine.memory(), marked.payload).copies();
}

}  // namespace

void compare_receivers(lab::ExperimentContext& context) {
  std::vector<Row> table = {{"frame", "init_on_free", "ring", "recvfrom"}};
  bool one_place = true;
  std::size_t most_copies = 0;
  for (const bool init_on_free : {false, true}) {
    auto machine = start_loaded(context, "card",
                                [&](vm::MachineSpec& spec) { spec.init_on_free = init_on_free; });
    auto link = context.link(machine, "net0");
    RingProbe reader(context, machine);
    const auto interface = bring_up(machine);
    const Nic nic(machine, "net0");
    const auto socket = reader
                            .must("packet_socket " + interface + " " + std::to_string(kEthertype),
                                  "a packet socket")
                            .at(0);
    let_receiver_start(machine);
    std::map<std::size_t, std::pair<std::size_t, std::size_t>> places;
    const std::vector<std::size_t> sizes = {64, 200, 1514, 9000};
    for (const auto bytes : sizes) {
      places[bytes].second = places_by_socket(context, machine, link, reader, nic, socket, bytes);
    }
    machine.agent().interface_down(interface);
    RingProbe consumer(context, machine);
    consumer.open_ring({});
    consumer.set_mode(ZCL_MODE_RING);
    bring_up(machine);
    for (const auto bytes : sizes) {
      places[bytes].first = places_by_ring(context, machine, link, consumer, nic, bytes);
      consumer.must("release " + std::to_string((bytes + 2047) / 2048), "releasing a packet");
    }
    for (const auto& [bytes, counts] : places) {
      const auto record = [&](const char* method, std::size_t count) {
        context.metric("census_places", static_cast<double>(count),
                       {{"method", method},
                        {"frame_bytes", std::to_string(bytes)},
                        {"init_on_free", init_on_free ? "1" : "0"}});
      };
      record("ring", counts.first);
      record("recvfrom", counts.second);
      table.push_back({std::to_string(bytes) + " bytes", init_on_free ? "1" : "0",
                       std::to_string(counts.first), std::to_string(counts.second)});
      one_place = one_place && counts.first == 1;
      most_copies = std::max(most_copies, counts.second);
    }
  }
  context.transcript(labs::to_table(table));
  context.verdict(one_place ? report::ClaimVerdict::confirmed : report::ClaimVerdict::refuted,
                  one_place ? "With the program's pool behind the card's descriptors each frame "
                              "stands in one place, where the chip wrote it and the program reads "
                              "it; recvfrom on the same driver leaves it in up to " +
                                  std::to_string(most_copies) + "."
                            : "A frame that the program got through the ring stands in more than "
                              "one place.");
}

}  // namespace zcl::lab03
