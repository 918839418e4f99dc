// SPDX-License-Identifier: MIT
// How long a machine takes to be there.
//
//   vm/template_boot    power-on to a template at rest
//   vm/clone_to_ready   start of QEMU to an agent that answers
//   vm/clone_to_result  the same, and then: a module of lab 01 put into the guest and loaded, and a
//                       program put there and run to its end
//
// Real time, since most of it passes in QEMU. A machine that is ended is not waited for.
#include <benchmark/benchmark.h>

#include <chrono>
#include <filesystem>
#include <stdexcept>

#include "harness/base/file_descriptor.hh"
#include "harness/base/paths.hh"
#include "harness/lab/build.hh"
#include "harness/vm/machine.hh"
#include "harness/vm/machine_template.hh"

namespace zcl::vm {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kBoots = 3;
constexpr int kClones = 10;

MachineSpec machine_of(Mode mode) {
  MachineSpec spec;
  spec.mode = mode;
  spec.accel = Accel::tcg;
  return spec;
}

/// Adds the time since `start` to the benchmark.
void count_from(benchmark::State& state, Clock::time_point start) {
  state.SetIterationTime(std::chrono::duration<double>(Clock::now() - start).count());
}

void template_boot(benchmark::State& state, Mode mode) {
  auto spec = machine_of(mode);
  spec.kernel_args = {"zcl.benchmark"};  // a template of its own, not one that others use
  while (state.KeepRunning()) {
    std::filesystem::remove(template_file(spec));
    const auto start = Clock::now();
    benchmark::DoNotOptimize(booted_template(spec, {}, choose_accelerator(spec)));
    count_from(state, start);
  }
  std::filesystem::remove(template_file(spec));
}

void clone_to_ready(benchmark::State& state, Mode mode) {
  const auto spec = machine_of(mode);
  (void)Machine::start(spec);  // the template
  while (state.KeepRunning()) {
    const auto start = Clock::now();
    const auto machine = Machine::start(spec);
    count_from(state, start);
  }
}

void clone_to_result(benchmark::State& state, Mode mode) {
  const auto spec = machine_of(mode);
  (void)Machine::start(spec);
  const auto& built = lab::built_solution(lab::find_lab("01"), spec.kernel);
  const auto module = base::read_file(built.artefact(built.lab.modules.front()).string());
  const auto program = base::read_file((base::build_root() / "guest/count_probe").string());
  while (state.KeepRunning()) {
    const auto start = Clock::now();
    auto machine = Machine::start(spec);
    machine.agent().put_file("/tmp/module.ko", module);
    machine.agent().load_module("/tmp/module.ko");
    machine.agent().put_file("/tmp/program", program, 0755);
    const auto result = machine.agent().run({.argv = {"/tmp/program", "loop", "1000"}});
    count_from(state, start);
    if (!result.ok()) throw std::runtime_error("the program failed: " + result.error);
  }
}

BENCHMARK_CAPTURE(template_boot, speed, Mode::speed)
    ->Name("vm/template_boot")
    ->Iterations(kBoots)
    ->UseManualTime()
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(clone_to_ready, speed, Mode::speed)
    ->Name("vm/clone_to_ready")
    ->Iterations(kClones)
    ->UseManualTime()
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(clone_to_result, speed, Mode::speed)
    ->Name("vm/clone_to_result")
    ->Iterations(kClones)
    ->UseManualTime()
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(clone_to_result, count, Mode::count)
    ->Name("vm/clone_to_result/mode:count")
    ->Iterations(kClones)
    ->UseManualTime()
    ->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace zcl::vm
