// SPDX-License-Identifier: MIT
// What counting costs: processor time of a boot with the plugin, as a multiple of the same boot
// without it (counter cpu_time_ratio, median of interleaved pairs). A boot translates much and
// repeats little, so it is the plugin's worst case.
#include <benchmark/benchmark.h>
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "harness/vm/instruction_counter.hh"
#include "harness/vm/kernel_package.hh"
#include "harness/vm/qemu_binary.hh"

namespace zcl::vm {
namespace {

constexpr int kPairs = 3;
constexpr rlim_t kCpuSeconds = 300;  ///< then the kernel ends the boot

double seconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

/// Boots a kernel without a root file system: it panics, and QEMU ends. Processor seconds.
double boot(const KernelPackage& kernel, const std::optional<std::string>& plugin,
            int counter_page) {
  std::vector<std::string> words = {qemu_binary().path,
                                    "-nodefaults",
                                    "-no-user-config",
                                    "-display",
                                    "none",
                                    "-machine",
                                    "q35",
                                    "-m",
                                    "256",
                                    "-accel",
                                    "tcg,thread=single",
                                    "-icount",
                                    "shift=0,sleep=off",
                                    "-cpu",
                                    "max,-erms",
                                    "-no-reboot",
                                    "-kernel",
                                    kernel.vmlinux,
                                    "-append",
                                    "nokaslr cryptomgr.notests panic=-1"};
  if (plugin) words.insert(words.end(), {"-plugin", *plugin});
  std::vector<char*> arguments;
  for (auto& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  const pid_t child = base::check_system_call("fork", ::fork());
  if (child == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    const rlimit limit = {kCpuSeconds, kCpuSeconds};
    ::setrlimit(RLIMIT_CPU, &limit);
    if (counter_page >= 0) ::fcntl(counter_page, F_SETFD, 0);
    const int null = ::open("/dev/null", O_RDWR);
    for (const int stream : {0, 1, 2}) ::dup2(null, stream);
    ::execv(arguments[0], arguments.data());
    ::_exit(127);
  }
  int status = 0;
  rusage usage{};
  base::check_system_call("wait4", ::wait4(child, &status, 0, &usage));
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
    throw std::runtime_error("QEMU did not boot the kernel to its end");
  }
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

void counted_boot(benchmark::State& state) {
  try {
    const KernelPackage kernel = kernel_package("6.1");
    std::vector<double> ratios;
    InstructionCounts counts;
    while (state.KeepRunning()) {
      const InstructionCounter counter;
      const double plain = boot(kernel, std::nullopt, -1);
      const double counted = boot(kernel, InstructionCounter::plugin_argument(counter.descriptor()),
                                  counter.descriptor());
      state.SetIterationTime(counted);
      ratios.push_back(counted / plain);
      counts = counter.snapshot();
    }
    std::nth_element(ratios.begin(), ratios.begin() + kPairs / 2, ratios.end());
    state.counters["cpu_time_ratio"] = ratios.at(kPairs / 2);
    state.counters["instructions"] = static_cast<double>(counts.total());
  } catch (const std::exception& error) {
    state.SkipWithError(error.what());
  }
}

BENCHMARK(counted_boot)
    ->Name("vm/counting/boot")
    ->UseManualTime()
    ->Iterations(kPairs)
    ->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace zcl::vm
