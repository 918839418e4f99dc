// SPDX-License-Identifier: MIT
// What it costs the guest to receive a packet, for lab 03's ring and its peers on the same emulated
// card (docs/how/receive_benchmark.rst). Counts, not seconds: count mode, one point a machine.
//
//   lab03/rx/RECEIVER/len:BYTES/burst:N      a burst is emitted, then received
//   lab03/rx/RECEIVER/len:BYTES/paced:KPPS   asleep between bursts of 32
//   lab03/rx/RECEIVER/len:BYTES/loss:KPPS    packets lost of 60,000, in bursts of 32
//   .../burst:32/frames:udp                  frames that the guest's network stack looks at too
#include <benchmark/benchmark.h>

#include <stdexcept>

#include "harness/report/model.hh"
#include "harness/vm/guest_program.hh"
#include "labs/03_dma_driver/host/rx_programs.hh"
#include "labs/03_dma_driver/host/rx_run.hh"

namespace zcl::lab03 {
namespace {

void count(benchmark::State& state, const char* name, double value) {
  if (report::find_metric_name(name) == nullptr) throw std::logic_error(name);
  state.counters[name] = value;
}

void measure(benchmark::State& state, const RxReceiver& receiver, const RxPoint& point) {
  const auto& program = rx_program(receiver);
  const std::string path = "/zcl/" + receiver.program;
  auto machine = start_rx_machine(receiver);
  vm::put_program(machine.agent(), program, path);
  const auto result = measure_rx(machine, path, point);
  count(state, "offered_packets", static_cast<double>(result.offered));
  count(state, "delivered_packets", static_cast<double>(result.delivered));
  count(state, "lost_packets", static_cast<double>(result.lost()));
  count(state, "interrupts_per_packet", result.interrupts);
  count(state, "register_accesses_per_packet", result.register_accesses);
  if (point.traffic == RxTraffic::loss) return;
  count(state, "instructions_per_packet", result.instructions);
  count(state, "user_instructions_per_packet", result.user_instructions);
  count(state, "kernel_instructions_per_packet", result.kernel_instructions);
  count(state, "syscalls_per_packet", result.syscalls);
}

/// A peer that is not installed is no failure: the benchmark says so and has no figures.
void measure_if_there(benchmark::State& state, const RxReceiver& receiver, const RxPoint& point) {
  const auto missing = unavailable(receiver);
  while (state.KeepRunning()) {
    if (missing) continue;
    try {
      measure(state, receiver, point);
    } catch (const std::exception& error) {
      state.SkipWithError(error.what());
      break;
    }
  }
  state.SetLabel(missing ? "not available here, because " + *missing
                         : "count mode (icount, 1 vCPU), mitigation=off");
}

void add(const RxReceiver& receiver, const RxPoint& point, const std::string& variant) {
  const std::string name =
      "lab03/rx/" + receiver.name + "/len:" + std::to_string(point.frame_bytes) + "/" + variant;
  const auto run = [&receiver, point](benchmark::State& state) {
    measure_if_there(state, receiver, point);
  };
#ifdef __clang_analyzer__  // takes what the library keeps for a leak
  static_cast<void>(run);
#else
  benchmark::RegisterBenchmark(name.c_str(), run)
      ->Iterations(1)
      ->Unit(benchmark::kMillisecond)
      ->UseRealTime();
#endif
}

/// The receivers of one point stand beside each other.
void add_all(const RxPoint& point, const std::string& variant) {
  for (const auto& receiver : rx_receivers()) {
    if (point.traffic == RxTraffic::paced && !receiver.sleeps) continue;
    if (point.udp && !receiver.by_stack) continue;
    RxPoint own = point;
    own.receiver = receiver.name;
    add(receiver, own, variant);
  }
}

const bool registered = [] {
  for (const unsigned bytes : {64U, 1500U}) {
    for (const unsigned burst : {1U, 8U, 32U, 128U}) {
      add_all({.frame_bytes = bytes, .burst = burst}, "burst:" + std::to_string(burst));
    }
    add_all({.traffic = RxTraffic::paced, .frame_bytes = bytes, .kpps = 100}, "paced:100");
  }
  add_all({.udp = true}, "burst:32/frames:udp");
  for (const unsigned bytes : {64U, 1500U}) {
    for (const unsigned kpps : {400U, 1000U}) {
      add_all({.traffic = RxTraffic::loss, .frame_bytes = bytes, .kpps = kpps},
              "loss:" + std::to_string(kpps));
    }
  }
  return true;
}();

}  // namespace
}  // namespace zcl::lab03
