// SPDX-License-Identifier: MIT
#include "labs/02_devmem_mmap/host/bench.hh"

#include <algorithm>

namespace zcl::lab02 {

void load_device(lab::Context& context, vm::Machine& machine, base::ByteView content) {
  Probe probe(context, machine);
  probe.must("load_device " + to_hex(kStaging) + " " + to_hex(content),
             "filling the device's memory");
  probe.finish();
}

void write_reserved(lab::Context& context, vm::Machine& machine, vm::PhysicalAddress address,
                    base::ByteView bytes) {
  Probe probe(context, machine);
  const auto memory = open_file(probe, "/dev/mem", "rw");
  const auto page =
      probe.number("map " + memory + " " + to_hex(address / kPage * kPage) + " 4096 rw shared",
                   "mapping reserved memory through /dev/mem");
  probe.must("poke " + to_hex(page + address % kPage) + " " + to_hex(bytes),
             "writing to reserved memory");
  probe.finish();
}

void load_driver(lab::Context& context, vm::Machine& machine, unsigned pages,
                 const std::string& more) {
  context.load(machine, "daq",
               "region_start=" + to_hex(kRegion) + " region_bytes=" + to_hex(kRegionBytes) +
                   " buffer_pages=" + std::to_string(pages) + (more.empty() ? "" : " " + more));
}

MarkedPages::MarkedPages(lab::Context& context, std::size_t pages) {
  for (std::size_t page = 0; page < pages; ++page) {
    marks_.push_back(context.random().bytes(kMarkBytes));
  }
}

void MarkedPages::fill_buffer(Probe& probe, const std::string& file) const {
  for (std::size_t page = 0; page < size(); ++page) {
    probe.must("fill " + file + " " + to_hex(page * kPage) + " " + to_hex(marks_[page]),
               "writing a pattern to /dev/daq0");
  }
}

bool MarkedPages::stand_at(vm::Machine& machine, std::size_t page,
                           vm::PhysicalAddress address) const {
  if (!machine.memory().contains(address, kMarkBytes)) return false;
  const auto there = machine.memory().view(address, kMarkBytes);
  return std::equal(there.begin(), there.end(), marks_.at(page).begin());
}

std::string open_file(Probe& probe, const std::string& path, const std::string& access) {
  return probe.must("open " + path + " " + access, "opening " + path).at(0);
}

vm::VirtualAddress map_readable(Probe& probe, const std::string& file, std::uint64_t offset,
                                std::uint64_t bytes, const std::string& what) {
  return probe.number(
      "map " + file + " " + to_hex(offset) + " " + std::to_string(bytes) + " r shared", what);
}

void prepare_network(vm::Machine& machine, Probe& probe, const std::string& mac) {
  const auto interface = machine.agent().interface_of("net0");
  machine.agent().interface_up(interface, "10.0.0.1/24");
  probe.must("neighbour " + interface + " " + kPeerAddress + " " + mac, "setting a neighbour");
}

std::vector<base::Bytes> receive_payloads(wire::Link& link, std::size_t count,
                                          const base::Deadline& deadline) {
  constexpr std::size_t kDestinationPort = 36;  // Ethernet, IPv4 without options, UDP
  std::vector<base::Bytes> payloads;
  while (payloads.size() < count) {
    const auto frame = link.receive(deadline);
    if (!frame) break;
    const auto payload = wire::udp_payload(frame->bytes);
    if (payload.empty()) continue;
    const auto* port = &frame->bytes[kDestinationPort];
    if ((port[0] << 8 | port[1]) != kPeerPort) continue;
    payloads.emplace_back(payload.begin(), payload.end());
  }
  return payloads;
}

}  // namespace zcl::lab02
