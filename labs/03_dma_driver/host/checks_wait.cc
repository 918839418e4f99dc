// SPDX-License-Identifier: MIT
// Step poll: a program that sleeps until there is something, and the interrupts that this takes.
#include <algorithm>

#include "labs/03_dma_driver/host/checks.hh"
#include "labs/03_dma_driver/host/support.hh"

namespace zcl::lab03 {

namespace {

constexpr std::size_t kBytes = 200;

/// The agent needs some for a window of its own; a program that polls makes thousands.
constexpr std::uint64_t kMostSystemCalls = 100;
constexpr std::uint64_t kWindowNs = 50'000'000;

/// Of three windows of guest time: the fewest system calls of the whole guest.
std::uint64_t fewest_system_calls(vm::Machine& machine) {
  std::uint64_t fewest = ~std::uint64_t{0};
  for (unsigned window = 0; window < 3; ++window) {
    const auto before = machine.instructions().system_calls;
    machine.agent().sleep_ns(kWindowNs);
    fewest = std::min(fewest, machine.instructions().system_calls - before);
  }
  return fewest;
}

std::uint32_t head_of(vm::Machine& machine, const RingPlace& place, const RingShape& shape) {
  const Pause pause(machine);
  return RingView(machine, place, shape).head(Queue::receive);
}

}  // namespace

void check_poll(lab::CheckContext& context) {
  auto machine = start_loaded(context);
  auto link = context.link(machine, "net0");
  RingProbe probe(context, machine);
  const Nic nic(machine, "net0");
  const auto flow = flow_to(context, nic);
  std::string interface;
  for (const bool always : {false, true}) {
    const RingShape shape{.always = always};
    if (!interface.empty()) machine.agent().interface_down(interface);
    const auto place = probe.open_ring(shape);
    probe.set_mode(ZCL_MODE_RING);
    interface = bring_up(machine);
    std::uint32_t received = 0;
    const auto methods = always ? std::vector<std::string>{"eventfd", "poll"}
                                : std::vector<std::string>{"poll", "select", "epoll", "read"};
    for (const auto& method : methods) {
      const auto command = method == "read" ? method : "wait " + method;
      probe.start(command);
      wait_until(
          machine, [&] { return (nic.read(Register::ims) & kRxTimer) != 0; },
          "A program waits by " + method + ", and the NIC's receive interrupt stays masked.");
      wait_until_asleep(machine, probe, method);
      const auto calls = fewest_system_calls(machine);
      context.require(calls <= kMostSystemCalls, std::to_string(calls) +
                                                     " system calls while the program waits by " +
                                                     method + ": it does not sleep.");
      send(link, make_frames(flow, received, 1, kBytes));
      const auto answer = probe.expect(
          command, "A frame came, and the program that waits by " + method + " is not woken.");
      context.require(answer.ok, method + " failed: " + answer.text);
      ++received;
      if (method == "eventfd")
        wait_until(
            machine, [&] { return head_of(machine, place, shape) == received; },
            "The frame does not reach RxBuf.");
      context.require(head_of(machine, place, shape) == received,
                      method + " returned, and RxQ.head says that nothing came.");
      if (method == "read") {
        // read(2) returned the packet's slots as well, on the program's behalf.
        const Pause pause(machine);
        const RingView view(machine, place, shape);
        std::uint32_t next = 0;
        context.require(view.tail(Queue::receive) == received &&
                            view.packet(received - 1, next) ==
                                wire::make_flow_frame(flow, received - 1, kBytes).bytes,
                        "read(2) did not take the packet from RxQ.");
      } else {
        // With a packet there, nobody sleeps.
        if (method != "eventfd") probe.must("wait " + method, "waiting with a packet there");
        probe.must("release 1", "releasing a packet");
      }
    }
  }
  context.require_quiet_kernel(machine);
  context.observed("poll, select, epoll, read and eventfd sleep and are woken by one frame");
}

void check_sleepers(lab::CheckContext& context) {
  auto machine = start_loaded(context);
  auto link = context.link(machine, "net0");
  RingProbe probe(context, machine);
  const RingShape shape;
  const auto place = probe.open_ring(shape);
  probe.set_mode(ZCL_MODE_RING);
  bring_up(machine);
  const Nic nic(machine, "net0");
  const auto flow = flow_to(context, nic);
  constexpr std::uint32_t kBurst = 32;
  std::uint32_t sequence = 0;

  // Asleep: one interrupt a burst, and the next burst's comes as well.
  for (unsigned burst = 0; burst < 4; ++burst) {
    const auto command = "consume " + std::to_string(kBurst) + " poll 0";
    probe.start(command);
    wait_until(
        machine, [&] { return (nic.read(Register::ims) & kRxTimer) != 0; },
        "Before burst " + std::to_string(burst + 1) +
            " the program sleeps in poll, and the NIC's receive interrupt is masked.");
    wait_until_asleep(machine, probe, "poll");
    const auto before = raised_interrupts(machine);
    send(link, make_frames(flow, sequence, kBurst, kBytes));
    sequence += kBurst;
    const auto answer = probe.expect(
        command, "Burst " + std::to_string(burst + 1) + " does not wake the sleeping program.");
    context.require(answer.ok, "poll failed: " + answer.text);
    const auto raised = raised_interrupts(machine) - before;
    context.require(raised == 1, "Burst " + std::to_string(burst + 1) + " of " +
                                     std::to_string(kBurst) + " frames raised " +
                                     std::to_string(raised) +
                                     " interrupts for a sleeping program; one is right.");
    context.require(head_of(machine, place, shape) == sequence, "Not all frames reach RxBuf.");
  }

  // Awake: none at all.
  const auto command = "consume " + std::to_string(4 * kBurst) + " busy 0";
  probe.must("sync " + std::to_string(ZCL_SYNC_RX | ZCL_SYNC_BUSY), "ZCL_SYNC");
  const auto before = raised_interrupts(machine);
  probe.start(command);
  for (unsigned burst = 0; burst < 4; ++burst) {
    send(link, make_frames(flow, sequence, kBurst, kBytes));
    sequence += kBurst;
    wait_until(
        machine, [&] { return head_of(machine, place, shape) == sequence; },
        "Not all frames reach a program that is awake.");
  }
  const auto answer = probe.expect(command, "A busy program does not get all packets.");
  context.require(answer.ok, "ZCL_SYNC failed: " + answer.text);
  const auto raised = raised_interrupts(machine) - before;
  context.require(raised == 0, std::to_string(raised) +
                                   " interrupts for a program that is awake and looks by itself.");
  context.require_quiet_kernel(machine);
  context.observed("four bursts, four interrupts for a sleeper; none for a program that is awake");
}

}  // namespace zcl::lab03
