// SPDX-License-Identifier: MIT
// Many frames through a stock driver and back, none lost, none changed, none out of order.
#include <gtest/gtest.h>

#include "harness/base/random.hh"
#include "harness/tests/machine/guest_program.hh"
#include "harness/wire/flow.hh"
#include "harness/wire/link.hh"

namespace zcl::wire {
namespace {

constexpr std::chrono::seconds kPatience{120};
constexpr std::chrono::hours kLimit{2};
constexpr std::uint64_t kFrames = 1'000'000;
/// Fewer than the card's receive ring holds, so that nothing has to be dropped.
constexpr std::uint64_t kWindow = 64;

TEST(WireSoak, AMillionFramesComeBack) {
  vm::MachineSpec machine_spec;
  machine_spec.nics = {{.id = "nic", .model = "e1000", .hub = "", .properties = {}}};
  machine_spec.boot_modules = {"e1000"};
  machine_spec.mode = vm::Mode::speed;
  vm::MachineOptions options;
  options.deadlines.total = kLimit;
  vm::Machine machine = vm::Machine::start(machine_spec, options);
  Link link(machine.take_nic_socket("nic"));
  const std::string interface = machine.agent().interface_of("nic");
  machine.agent().interface_up(interface);
  wait_for_carrier(machine, interface, base::Deadline("link of the card", kPatience));
  machine.agent().sleep_ns(vm::kReceptionHold);
  const auto program = install_guest_program(machine, "echo_frames");
  auto echo = machine.agent().start({.argv = {program, interface}, .time_limit = kLimit});
  ASSERT_EQ(echo.read_line(base::Deadline("echo_frames is ready", kPatience)), "ready");

  FlowSpec spec{.seed = 9, .destination = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};
  spec.source = {2, 0, 0, 0, 0, 1};
  FlowAccount account(spec);
  base::RandomStream random(9, "frame lengths");
  while (account.totals().delivered < kFrames) {
    const base::Deadline deadline("a window of frames", kPatience);
    const auto& totals = account.totals();
    while (totals.offered < kFrames && totals.offered - totals.delivered < kWindow) {
      const auto bytes = 60 + random.below(1455);
      const Frame frame = make_flow_frame(spec, totals.offered, bytes);
      account.offered(totals.offered, bytes);
      link.send(frame.bytes, deadline);
    }
    const auto frame = link.receive(deadline);
    ASSERT_TRUE(frame) << totals.text();
    account.arrived(frame->bytes);
    ASSERT_EQ(totals.corrupted + totals.duplicates + totals.reordered, 0U) << totals.text();
  }
  EXPECT_EQ(account.totals().lost(), 0U) << account.totals().text();
  EXPECT_FALSE(machine.alarming());
}

}  // namespace
}  // namespace zcl::wire
