// SPDX-License-Identifier: MIT
// Modules that end a guest badly, and what the machine must say of each.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <ostream>
#include <string>
#include <vector>

#include "harness/base/paths.hh"
#include "harness/base/process.hh"
#include "harness/base/work_directory.hh"
#include "harness/vm/call_trace.hh"
#include "harness/vm/kernel_package.hh"
#include "harness/vm/machine.hh"
#include "harness/vm/qemu_command.hh"

namespace zcl::vm::testing_faults {

struct FaultCase {
  std::string module;         ///< in harness/tests/machine/faults
  FaultKind kind;             ///< the right verdict
  std::string function = {};  ///< that the trace must show with its source line; empty: no trace
};

inline void PrintTo(const FaultCase& fault, std::ostream* out) {
  *out << fault.module;
}

inline const std::vector<FaultCase>& fault_corpus() {
  static const std::vector<FaultCase> corpus = {
      {"fault_panic", FaultKind::panic, "fault_panic_init"},
      {"fault_oops", FaultKind::oops, "write_badly"},
      {"fault_warning", FaultKind::warning, "fault_warning_init"},
      {"fault_irqs_off", FaultKind::hard_lockup, "spin_for_ever"},
      {"fault_spin", FaultKind::soft_lockup, "spin_for_ever"},
      {"fault_atomic_sleep", FaultKind::warning, "fault_atomic_sleep_init"},
      {"fault_log_flood", FaultKind::log_flood, "fault_log_flood_init"},
      {"fault_reboot", FaultKind::reboot},
      {"fault_memory", FaultKind::out_of_memory, "fault_memory_init"},
      {"fault_exit_hang", FaultKind::hang, "fault_exit_hang_exit"},
      {"fault_triple", FaultKind::triple_fault},
      {"fault_edu", FaultKind::qemu_died},
  };
  return corpus;
}

/// The module's object file, built in a directory that is removed with this.
class BuiltFault {
 public:
  explicit BuiltFault(const std::string& module) {
    const auto& directory = directory_.path();
    const auto source = base::source_root() / "harness/tests/machine/faults";
    std::filesystem::copy_file(source / "Kbuild", directory / "Kbuild");
    std::filesystem::copy_file(source / (module + ".c"), directory / (module + ".c"));
    base::Command make{.argv = {"make", "-C", kernel_package("6.1").headers.string(),
                                "M=" + directory.string(), "W=1", "FAULT=" + module, "modules"}};
    const auto result = base::run_command(make);
    if (!result.ok()) throw std::runtime_error(result.output + result.error);
    object_ = directory / (module + ".ko");
  }
  [[nodiscard]] const std::filesystem::path& object() const { return object_; }

 private:
  base::WorkDirectory directory_{base::build_root() / "tests"};
  std::filesystem::path object_;
};

/// A fresh machine, the fault in it, and the machine's verdict.
inline FaultReport provoke(const FaultCase& fault, const BuiltFault& built, MachineSpec spec = {}) {
  spec.edu = true;
  MachineOptions options;
  options.deadlines.progress = std::chrono::seconds(8);
  options.deadlines.request = std::chrono::seconds(60);
  options.console_limit = 512U << 10;
  options.stop_at_warning = fault.kind == FaultKind::warning;
  auto machine = Machine::start(spec, options);
  machine.know_module(fault.module, built.object());
  try {
    auto& agent = machine.agent();
    agent.rescan_pci(pci_address(spec, "edu"));
    agent.put_file("/tmp/fault.ko", base::read_file(built.object()));
    try {
      agent.load_module("/tmp/fault.ko");
      if (fault.module == "fault_exit_hang") agent.unload_module(fault.module);
    } catch (const GuestError&) {
      // The child that loads it may die of it; the machine's verdict is what counts.
    }
  } catch (const GuestFault& failed) {
    return failed.report();
  }
  return machine.wait_for_fault(base::Deadline("fault corpus", std::chrono::seconds(60)));
}

/// The verdict is right and shows the line of the module's source where there is a trace.
inline void expect_right(const FaultCase& fault, const FaultReport& report) {
  EXPECT_EQ(to_string(report.kind), to_string(fault.kind))
      << report.summary << "\n"
      << to_string(report.trace) << report.console_tail;
  if (fault.function.empty()) return;
  bool shown = false;
  for (const auto& frame : report.trace) {
    shown = shown || (frame.function.starts_with(fault.function) &&
                      frame.location.starts_with(fault.module + ".c:"));
  }
  EXPECT_TRUE(shown) << "no source line for " << fault.function << " in:\n"
                     << report.summary << "\n"
                     << to_string(report.trace) << report.console_tail;
  EXPECT_THAT(report.summary, ::testing::HasSubstr(fault.module + ".c:"));
}

}  // namespace zcl::vm::testing_faults
