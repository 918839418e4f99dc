// SPDX-License-Identifier: MIT
// Step `send`: frames on the wire carry what the device held, and the NIC's descriptors point at
// the pages that the device wrote.
#include <algorithm>

#include "harness/xray/census.hh"
#include "labs/02_devmem_mmap/host/bench.hh"
#include "labs/02_devmem_mmap/host/checks.hh"

namespace zcl::lab02 {

namespace {

using namespace std::chrono_literals;

constexpr unsigned kBufferPages = 16;
constexpr std::size_t kSamples = 4;
constexpr std::size_t kSampleBytes = 1000;  // four of them fit into the device

}  // namespace

void check_send(lab::CheckContext& context) {
  auto machine = context.start("edu");
  const auto content = context.random().bytes(kDeviceBytes);
  load_device(context, machine, content);
  load_driver(context, machine, kBufferPages);
  auto link = context.link(machine, "lan");
  Probe probe(context, machine);
  prepare_network(machine, probe, kPeerMac);

  const auto counts_before = machine.instructions();
  auto sender = machine.agent().start(
      {.argv = {context.install(machine, "sample_sender"), kPeerAddress, std::to_string(kPeerPort),
                std::to_string(kSamples), std::to_string(kSampleBytes)},
       .time_limit = 60s});
  const auto payloads =
      receive_payloads(link, kSamples, base::Deadline("frames of sample_sender", 20s));
  context.require(payloads.size() == kSamples, std::to_string(payloads.size()) + " of " +
                                                   std::to_string(kSamples) +
                                                   " samples came out of the NIC.");
  for (std::size_t i = 0; i < kSamples; ++i) {
    const auto begin = content.begin() + static_cast<std::ptrdiff_t>(i * kSampleBytes);
    context.require(
        std::equal(payloads[i].begin(), payloads[i].end(), begin,
                   begin + static_cast<std::ptrdiff_t>(kSampleBytes)),
        "Frame " + std::to_string(i) + " does not carry sample " + std::to_string(i) + ".");
  }
  std::string said;
  try {
    said = sender.read_line(base::Deadline("sample_sender's completions", 20s));
  } catch (const vm::GuestError&) {
    throw lab::CheckFailed("sample_sender ended without its last line: " +
                           sender.wait(base::Deadline("its end", 10s)).error);
  }
  const auto window = machine.instructions() - counts_before;

  const Pause pause(machine);
  const auto ring = xray::read_ring(machine, "net0", xray::Direction::transmit);
  for (const auto& payload : payloads) {
    const auto census = xray::take_census(machine.memory(), xray::Payload(payload));
    context.require(census.copies() == 1, "A sample stands in " + std::to_string(census.copies()) +
                                              " places of RAM: it was copied on its way.");
    const auto place = census.places.front().address;
    context.require(std::ranges::any_of(ring,
                                        [&](const auto& descriptor) {
                                          return descriptor.buffer == place &&
                                                 descriptor.length == kSampleBytes;
                                        }),
                    "No transmit descriptor of the NIC points at the page that the device wrote.");
  }
  context.require(said == "sent 4 copied 0", "sample_sender's completions say \"" +
                                                 said.substr(0, 60) +
                                                 "\" where four datagrams went out in place.");
  context.require_quiet_kernel(machine);
  context.observed("four samples, one place each, descriptors point there; " +
                   std::to_string(window.system_calls) + " system calls");
}

}  // namespace zcl::lab02
