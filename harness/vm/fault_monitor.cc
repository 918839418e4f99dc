// SPDX-License-Identifier: MIT
#include "harness/vm/fault_monitor.hh"

#include <fcntl.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <nlohmann/json.hpp>

namespace zcl::vm {

using std::chrono::milliseconds;

namespace {

constexpr std::size_t kTailLines = 40;
constexpr int kCpuSamples = 12;
constexpr int kSampleSpacingMs = 20;
/// One look at the console takes no more than this: an endless log must not hold up its own
/// verdict.
constexpr std::size_t kMaxReadAtOnce = 1U << 20;
constexpr std::string_view kEndOfPanic = "---[ end Kernel panic";
/// In each of RCU's ways to report a stall; kernel/rcu/tree_stall.h, tree_exp.h.
constexpr std::string_view kStall = "stall";
/// What ends the stack of a task; arch/x86/kernel/dumpstack.c.
constexpr std::string_view kEndOfStack = "</TASK>";
/// What begins a task in the kernel's dump; kernel/sched/core.c, sched_show_task().
constexpr std::string_view kTask = "task:";
/// Kept beyond the limit of a console that floods, for the trace that tells who does it.
constexpr std::size_t kFloodReserve = 1U << 20;

bool contains(std::string_view text, std::string_view what) {
  return text.find(what) != std::string_view::npos;
}

std::string with_underscores(std::string name) {
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

/// The frame that says most of where it happened: the first whose source line is known, else the
/// first in a module, else the faulting instruction itself. Null where all are the kernel's own way
/// to report.
const TraceFrame* telling_frame(const std::vector<TraceFrame>& trace) {
  for (const auto& frame : trace) {
    if (!frame.location.empty()) return &frame;
  }
  for (const auto& frame : trace) {
    if (!frame.module.empty()) return &frame;
  }
  return trace.empty() || trace.front().caller ? nullptr : &trace.front();
}

}  // namespace

FaultMonitor::FaultMonitor(FaultSources sources, FaultPolicy policy)
    : sources_(std::move(sources)), policy_(policy), console_(policy.console_limit) {}

void FaultMonitor::know_module(const std::string& module, const std::filesystem::path& object) {
  objects_[with_underscores(module)] = object;
}

void FaultMonitor::add_to_poll(std::vector<pollfd>& waits) {
  if (sources_.console.valid()) waits.push_back({sources_.console.get(), POLLIN, 0});
  // A dead QEMU keeps its descriptors readable for ever.
  if (fault_) return;
  for (const int fd : sources_.wake_descriptors) waits.push_back({fd, POLLIN, 0});
}

bool FaultMonitor::read_console() {
  bool any = false;
  std::array<char, 65536> buffer;
  for (std::size_t total = 0; sources_.console.valid() && total < kMaxReadAtOnce;) {
    const ssize_t got = ::recv(sources_.console.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno == EAGAIN) break;
    if (got <= 0) {
      sources_.console.reset();
      break;
    }
    console_.append({buffer.data(), static_cast<std::size_t>(got)});
    total += static_cast<std::size_t>(got);
    any = true;
  }
  return any;
}

void FaultMonitor::read_events() {
  while (const auto message = sources_.take_event()) {
    const std::string name = message->value("event", "");
    if (name == "GUEST_PANICKED") panicked_event_ = true;
    if (name != "SHUTDOWN" || end_event_) continue;
    const auto data = message->find("data");
    if (data == message->end() || !data->is_object()) continue;
    if (data->value("guest", false)) end_event_ = data->value("reason", "unknown");
  }
}

const ConsoleMonitor& FaultMonitor::console() {
  read_console();
  return console_;
}

void FaultMonitor::service() {
  if (!fault_) fault_ = look();
  if (fault_) throw GuestFault(*fault_);
}

const ConsoleAlarm* FaultMonitor::first_fatal() const {
  for (const auto& alarm : console_.alarms()) {
    if (alarm.kind != FaultKind::warning || policy_.stop_at_warning) return &alarm;
  }
  return nullptr;
}

std::optional<FaultReport> FaultMonitor::look() {
  read_events();
  const auto end = sources_.qemu_end();
  // After the events: what QEMU told of comes after what the guest printed.
  read_console();
  if (panicked_event_ && !end) {
    // The console comes after the event.
    settle([&] { return first_fatal() != nullptr; }, policy_.quiet);
  }
  if (first_fatal() != nullptr) return report_alarm(*first_fatal());
  if (console_.flooded()) {
    return report_flood("more than " + std::to_string(policy_.console_limit) +
                        " bytes of console output");
  }
  if (end_event_ || panicked_event_) return report_events();
  if (end) return make_report(FaultKind::qemu_died, *end, {});
  return std::nullopt;
}

FaultReport FaultMonitor::report_alarm(const ConsoleAlarm& first) {
  const ConsoleAlarm alarm = first;  // the list grows while the report is read
  settle([&] { return report_complete(alarm); }, policy_.quiet);
  auto trace = parse_call_trace(std::string_view(console_.text()).substr(alarm.offset));
  // RCU says that a CPU stalls, and not whether it takes interrupts; and one that takes none may
  // not print its own stack.
  if (alarm.kind == FaultKind::soft_lockup && (trace.empty() || contains(alarm.headline, kStall))) {
    const auto verdict = sample_cpus().verdict;
    if (trace.empty()) trace = trace_of_cpu(verdict.cpu);
    if (verdict.activity == CpuActivity::kernel_spin_masked) {
      return make_report(FaultKind::hard_lockup, alarm.headline, std::move(trace));
    }
  }
  return make_report(alarm.kind, alarm.headline, std::move(trace));
}

FaultReport FaultMonitor::report_flood(const std::string& what) {
  console_.raise_limit(kFloodReserve);
  std::vector<TraceFrame> trace;
  try {
    trace = trace_of_cpu(sample_cpus().verdict.cpu);
  } catch (const std::exception&) {  // QEMU cannot be asked; the flood is verdict enough
  }
  return make_report(FaultKind::log_flood, what, std::move(trace));
}

FaultReport FaultMonitor::report_events() {
  if (panicked_event_) {
    return make_report(FaultKind::panic, "the kernel panicked without a word on the console", {});
  }
  const std::string reason = *end_event_;
  if (reason == "guest-panic") {
    return make_report(FaultKind::panic, "the kernel panicked without a word on the console", {});
  }
  if (reason == "guest-reset") {
    const bool told = contains(console_.text(), "reboot: Restarting system");
    if (!told && sources_.saw_triple_fault()) {
      return make_report(FaultKind::triple_fault,
                         "the CPU shut down: a fault while it delivered a double fault", {});
    }
    return make_report(FaultKind::reboot, "the guest reset itself", {});
  }
  return make_report(FaultKind::reboot, "the guest powered itself off (" + reason + ")", {});
}

FaultReport FaultMonitor::make_report(FaultKind kind, const std::string& what,
                                      std::vector<TraceFrame> trace) {
  FaultReport report;
  report.kind = kind;
  resolve_locations(trace, objects_);
  report.summary = to_string(kind) + ": " + what;
  if (const auto* frame = telling_frame(trace)) {
    report.summary += ", in " + frame->function;
    if (!frame->module.empty()) report.summary += " [" + frame->module + "]";
    if (!frame->location.empty()) report.summary += " at " + frame->location;
  }
  report.console_tail = console_.tail(kTailLines);
  report.trace = std::move(trace);
  return report;
}

bool FaultMonitor::report_complete(const ConsoleAlarm& alarm) const {
  if (end_event_ || !sources_.console.valid()) return true;
  const auto report = std::string_view(console_.text()).substr(alarm.offset);
  if (alarm.headline.starts_with("Kernel panic")) return contains(report, kEndOfPanic);
  if (alarm.headline.starts_with("WARNING: CPU:")) return contains(report, "---[ end trace");
  if (alarm.kind == FaultKind::oops) return contains(report, "---[ end trace");
  return false;
}

void FaultMonitor::settle(const std::function<bool()>& complete, milliseconds quiet) {
  const base::Deadline longest("end of the kernel's report", std::max(policy_.report, quiet));
  base::Deadline silence("silence of the console", quiet);
  while (!longest.passed() && !silence.passed() && !complete()) {
    std::vector<pollfd> waits;
    if (sources_.console.valid()) waits.push_back({sources_.console.get(), POLLIN, 0});
    const int timeout = std::min({longest.poll_timeout(), silence.poll_timeout(), 100});
    ::poll(waits.data(), waits.size(), timeout);
    read_events();
    if (read_console()) silence = base::Deadline("silence of the console", quiet);
    if (console_.flooded()) return;
  }
}

FaultMonitor::Look FaultMonitor::sample_cpus() {
  Look look;
  std::vector<std::vector<CpuSample>> rounds;
  for (int i = 0; i < kCpuSamples; ++i) {
    const auto text =
        sources_.qmp("human-monitor-command", {{"command-line", "info registers -a"}});
    rounds.push_back(parse_cpu_samples(text.is_string() ? text.get<std::string>() : ""));
    ::poll(nullptr, 0, kSampleSpacingMs);  // lets the guest run between two looks
    if (read_console()) ++look.rounds_with_output;
  }
  look.verdict = judge_cpus(rounds);
  return look;
}

void FaultMonitor::send_sysrq(char key) {
  if (!sources_.console.valid()) return;
  sources_.qmp("chardev-send-break", {{"id", sources_.console_id}});
  ::send(sources_.console.get(), &key, 1, MSG_NOSIGNAL | MSG_DONTWAIT);
}

std::optional<TraceFrame> FaultMonitor::frame_of_cpu(unsigned cpu) const {
  try {
    return sources_.frame_of_cpu ? sources_.frame_of_cpu(cpu) : std::nullopt;
  } catch (const std::exception&) {  // the guest's own words, or none, have to do
    return std::nullopt;
  }
}

std::vector<TraceFrame> FaultMonitor::trace_of_cpu(unsigned cpu) {
  read_console();
  const auto frame = frame_of_cpu(cpu);
  const std::size_t begin = console_.text().size();
  const auto since = [&] { return std::string_view(console_.text()).substr(begin); };
  if (sources_.cpus > 1) {
    // Another CPU may still take the serial line's interrupt, and then each CPU's own stack is
    // printed; a panic prints only that of the CPU that panics first.
    const std::string title = "NMI backtrace for cpu " + std::to_string(cpu);
    send_sysrq('l');
    std::size_t at = std::string_view::npos;
    const auto shown = [&] {
      at = since().find(title);
      return at != std::string_view::npos && contains(since().substr(at), kEndOfStack);
    };
    settle(shown, policy_.answer);
    if (at != std::string_view::npos) return parse_call_trace(since().substr(at));
    // The serial line's interrupt belongs to the CPU that takes none. An NMI reaches all CPUs, and
    // the panic would show the first that takes it: another one.
    if (frame) return {*frame};
  }
  sources_.qmp("inject-nmi", nlohmann::json::object());
  constexpr std::string_view kTitle = "Kernel panic - not syncing: NMI";
  settle([&] { return contains(since(), kTitle) && contains(since(), kEndOfPanic); },
         policy_.trace);
  const std::size_t at = since().find(kTitle);
  if (at != std::string_view::npos) return parse_call_trace(since().substr(at));
  return frame ? std::vector{*frame} : std::vector<TraceFrame>();
}

std::vector<TraceFrame> FaultMonitor::trace_of_blocked_task() {
  std::vector<TraceFrame> any;
  // Tasks that cannot be interrupted first; then all, since one may wait for ever interruptibly.
  for (const char key : {'w', 't'}) {
    read_console();
    const std::size_t begin = console_.text().size();
    send_sysrq(key);
    settle([] { return false; }, 2 * policy_.quiet);
    const auto dump = std::string_view(console_.text()).substr(begin);
    std::size_t at = dump.find(kTask);
    while (at != std::string_view::npos) {
      const std::size_t next = dump.find(kTask, at + kTask.size());
      auto trace = parse_call_trace(dump.substr(at, next - at));
      const bool ours = std::any_of(trace.begin(), trace.end(), [&](const TraceFrame& frame) {
        return frame.reliable && objects_.contains(frame.module);
      });
      if (ours) return trace;
      if (any.empty() && key == 'w') any = std::move(trace);
      at = next;
    }
  }
  return any;
}

FaultReport FaultMonitor::remember(FaultReport report) {
  if (!fault_) fault_ = std::move(report);
  return *fault_;
}

FaultReport FaultMonitor::diagnose(const std::string& waited_for, bool agent_answers) {
  if (!fault_) fault_ = look();
  if (fault_) return *fault_;
  const std::string passed = "deadline passed: " + waited_for;
  try {
    const auto [verdict, rounds_with_output] = sample_cpus();
    if (rounds_with_output > kCpuSamples / 2) {
      return remember(report_flood("the guest logs without a pause (" + passed + ")"));
    }
    if (verdict.activity == CpuActivity::kernel_spin_masked) {
      auto trace = trace_of_cpu(verdict.cpu);
      return remember(make_report(FaultKind::hard_lockup,
                                  "CPU " + std::to_string(verdict.cpu) +
                                      " spins in the kernel with interrupts off (" + passed + ")",
                                  std::move(trace)));
    }
    if (verdict.activity == CpuActivity::kernel_spin) {
      auto trace = trace_of_cpu(verdict.cpu);
      return remember(make_report(
          FaultKind::soft_lockup,
          "CPU " + std::to_string(verdict.cpu) + " spins in the kernel (" + passed + ")",
          std::move(trace)));
    }
    std::string what = passed;
    if (verdict.activity == CpuActivity::user_spin) what += "; a program spins in user mode";
    if (!agent_answers) what += "; the guest agent does not answer";
    return remember(make_report(FaultKind::hang, what, trace_of_blocked_task()));
  } catch (const std::exception& error) {
    // QEMU ended while it was asked, or does not answer.
    if (const auto fault = look()) return remember(*fault);
    return remember(
        make_report(FaultKind::qemu_died, passed + "; QEMU cannot be asked: " + error.what(), {}));
  }
}

FaultReport FaultMonitor::wait_for_fault(const base::Deadline& deadline,
                                         const std::function<bool()>& agent_answers) {
  while (!fault_ && !deadline.passed()) {
    fault_ = look();
    if (fault_) break;
    std::vector<pollfd> waits;
    add_to_poll(waits);
    ::poll(waits.data(), waits.size(), deadline.poll_timeout());
  }
  if (fault_) return *fault_;
  bool answers = false;
  try {
    answers = agent_answers();
  } catch (const GuestFault& fault) {
    return fault.report();
  }
  return diagnose(deadline.name(), answers);
}

std::optional<FaultReport> FaultMonitor::alarming() {
  if (fault_) return fault_;
  fault_ = look();
  if (fault_) return fault_;
  if (console_.alarms().empty()) return std::nullopt;
  const ConsoleAlarm alarm = console_.alarms().front();
  settle([&] { return report_complete(alarm); }, policy_.quiet);
  return make_report(alarm.kind, alarm.headline,
                     parse_call_trace(std::string_view(console_.text()).substr(alarm.offset)));
}

}  // namespace zcl::vm
