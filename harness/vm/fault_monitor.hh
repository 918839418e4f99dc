// SPDX-License-Identifier: MIT
// Finds out that a machine has failed, and how: from its console, QEMU's events and end, its CPUs.
#pragma once

#include <chrono>
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "harness/base/deadline.hh"
#include "harness/base/file_descriptor.hh"
#include "harness/vm/call_trace.hh"
#include "harness/vm/console_monitor.hh"
#include "harness/vm/cpu_sample.hh"
#include "harness/vm/fault_watch.hh"
#include "harness/vm/guest_fault.hh"

namespace zcl::vm {

/// What the monitor sees of a machine, and how it reaches it.
struct FaultSources {
  base::FileDescriptor console;       ///< the host's end of the serial line, both ways
  std::string console_id;             ///< QEMU's id of its character device
  std::vector<int> wake_descriptors;  ///< readable when there may be an event or an end
  /// The next QMP event, or nothing (also when QEMU is gone). Does not wait.
  std::function<std::optional<nlohmann::json>()> take_event;
  /// How QEMU ended ("signal 6: …"), nothing while it runs. Does not wait.
  std::function<std::optional<std::string>()> qemu_end;
  /// A QMP command; throws when QEMU cannot be asked.
  std::function<nlohmann::json(const std::string&, const nlohmann::json&)> qmp;
  /// The module function that a CPU executes now, or that called what it executes, found by the
  /// host without the guest's help (module_code.hh). May throw.
  std::function<std::optional<TraceFrame>(unsigned cpu)> frame_of_cpu;
  /// QEMU logged a triple fault (`-d cpu_reset`).
  std::function<bool()> saw_triple_fault;
  unsigned cpus = 1;
};

struct FaultPolicy {
  std::size_t console_limit = 4U << 20;
  bool stop_at_warning = false;
  /// A report is complete at its end mark, or when the console says nothing for this long …
  std::chrono::milliseconds quiet{1500};
  /// … or after this long in any case.
  std::chrono::milliseconds report{15'000};
  /// For the kernel to print a trace that it was asked for, silence included: on a host with more
  /// to do than processors, a guest of two may stand still for seconds.
  std::chrono::milliseconds trace{20'000};
  /// For a guest of several CPUs to answer on its serial line.
  std::chrono::milliseconds answer{5'000};
};

/// Not thread-safe: one thread drives a machine.
class FaultMonitor : public FaultWatch {
 public:
  FaultMonitor(FaultSources sources, FaultPolicy policy);

  void add_to_poll(std::vector<pollfd>& waits) override;
  void service() override;
  FaultReport diagnose(const std::string& waited_for, bool agent_answers) override;

  /// Waits until the machine fails. At the deadline finds out what it is doing (diagnose()).
  FaultReport wait_for_fault(const base::Deadline& deadline,
                             const std::function<bool()>& agent_answers);
  /// The first alarm on the console, fatal or not; nothing where there is none.
  std::optional<FaultReport> alarming();
  /// Takes what the console has now.
  const ConsoleMonitor& console();
  /// An object file that names source lines for the traces of `module` (dashes or underscores).
  void know_module(const std::string& module, const std::filesystem::path& object);

 private:
  bool read_console();
  void read_events();
  /// The machine's fault, where there is one now.
  std::optional<FaultReport> look();
  const ConsoleAlarm* first_fatal() const;
  FaultReport report_alarm(const ConsoleAlarm& alarm);
  FaultReport report_events();
  FaultReport report_flood(const std::string& what);
  FaultReport make_report(FaultKind kind, const std::string& what, std::vector<TraceFrame> trace);
  /// Reads the console until `complete(text from offset)`, or it is quiet, or too long.
  void settle(const std::function<bool()>& complete, std::chrono::milliseconds quiet);
  bool report_complete(const ConsoleAlarm& alarm) const;

  struct Look {
    CpuVerdict verdict;
    int rounds_with_output = 0;  ///< samples between which the console said something
  };
  Look sample_cpus();
  /// The trace of a CPU that spins, from an NMI.
  std::optional<TraceFrame> frame_of_cpu(unsigned cpu) const;
  std::vector<TraceFrame> trace_of_cpu(unsigned cpu);
  /// The trace of the task that waits for ever, from the kernel's list of blocked tasks.
  std::vector<TraceFrame> trace_of_blocked_task();
  void send_sysrq(char key);
  FaultReport remember(FaultReport report);

  FaultSources sources_;
  FaultPolicy policy_;
  ConsoleMonitor console_;
  ModuleObjects objects_;
  std::optional<FaultReport> fault_;
  std::optional<std::string> end_event_;  ///< GUEST_PANICKED, or SHUTDOWN's reason
  bool panicked_event_ = false;
};

}  // namespace zcl::vm
