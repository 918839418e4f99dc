// SPDX-License-Identifier: MIT
// Consoles as Debian's 6.1 kernel printed them (addresses and registers shortened).
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <nlohmann/json.hpp>

#include "harness/base/random.hh"
#include "harness/vm/fault_monitor.hh"

namespace zcl::vm {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

constexpr char kTaints[] =
    "[    1.914141] fault_panic: loading out-of-tree module taints kernel.\r\n"
    "[    1.914220] fault_panic: module verification failed: signature and/or required key missing "
    "- tainting kernel\r\n";

constexpr char kPanic[] =
    "[    1.914337] Kernel panic - not syncing: fault corpus\r\n"
    "[    1.914344] CPU: 0 PID: 80 Comm: init Tainted: G           OE      6.1.0-56-amd64 #1\r\n"
    "[    1.914367] Call Trace:\r\n"
    "[    1.914372]  <TASK>\r\n"
    "[    1.914378]  dump_stack_lvl+0x44/0x5c\r\n"
    "[    1.914389]  panic+0x118/0x2f4\r\n"
    "[    1.914405]  ? 0xffffffffc0261000\r\n"
    "[    1.914424]  fault_panic_init+0x11/0x1000 [fault_panic]\r\n"
    "[    1.914509]  ? exit_to_user_mode_prepare+0x44/0x240\r\n"
    "[    1.914524]  entry_SYSCALL_64_after_hwframe+0x6e/0xd8\r\n"
    "[    1.914537] RIP: 0033:0x54d8d9\r\n"
    "[    1.914627]  </TASK>\r\n"
    "[    1.914640] ---[ end Kernel panic - not syncing: fault corpus ]---\r\n";

constexpr char kOops[] =
    "[    2.0] BUG: kernel NULL pointer dereference, address: 0000000000000010\r\n"
    "[    2.0] #PF: supervisor write access in kernel mode\r\n"
    "[    2.0] Oops: 0002 [#1] PREEMPT SMP NOPTI\r\n"
    "[    2.0] RIP: 0010:write_badly.constprop.0+0x5/0x10 [fault_oops]\r\n"
    "[    2.0] Code: 00 00\r\n"
    "[    2.0] RSP: 0018:ffffc90000603b20 EFLAGS: 00000246\r\n"
    "[    2.0] Call Trace:\r\n"
    "[    2.0]  <TASK>\r\n"
    "[    2.0]  fault_oops_init+0xa/0x1000 [fault_oops]\r\n"
    "[    2.0]  do_one_initcall+0x59/0x220\r\n"
    "[    2.0]  </TASK>\r\n"
    "[    2.0] Modules linked in: fault_oops(OE+) e1000\r\n"
    "[    2.0] ---[ end trace 0000000000000000 ]---\r\n"
    "[    2.0] RIP: 0010:write_badly.constprop.0+0x5/0x10 [fault_oops]\r\n";

constexpr char kNmi[] =
    "[    9.0] Uhhuh. NMI received for unknown reason 20 on CPU 0.\r\n"
    "[    9.0] Kernel panic - not syncing: NMI: Not continuing\r\n"
    "[    9.0] Call Trace:\r\n"
    "[    9.0]  <NMI>\r\n"
    "[    9.0]  dump_stack_lvl+0x44/0x5c\r\n"
    "[    9.0]  panic+0x118/0x2f4\r\n"
    "[    9.0]  exc_nmi+0x1/0x2\r\n"
    "[    9.0] RIP: 0010:spin_for_ever+0x7/0x10 [fault_irqs_off]\r\n"
    "[    9.0] RSP: 0018:ffffc90000603b20 EFLAGS: 00000046\r\n"
    "[    9.0]  ? spin_for_ever+0x7/0x10 [fault_irqs_off]\r\n"
    "[    9.0]  </NMI>\r\n"
    "[    9.0]  <TASK>\r\n"
    "[    9.0]  fault_irqs_off_init+0x10/0x1000 [fault_irqs_off]\r\n"
    "[    9.0]  do_one_initcall+0x59/0x220\r\n"
    "[    9.0]  </TASK>\r\n"
    "[    9.0] ---[ end Kernel panic - not syncing: NMI: Not continuing ]---\r\n";

std::vector<std::string> functions(const std::vector<TraceFrame>& trace) {
  std::vector<std::string> names;
  for (const auto& frame : trace) names.push_back(frame.function);
  return names;
}

TEST(AlarmInLine, KnowsWhatEachLineMeans) {
  const std::vector<std::pair<std::string, FaultKind>> lines = {
      {"Kernel panic - not syncing: Attempted to kill init!", FaultKind::panic},
      {"Kernel panic - not syncing: System is deadlocked on memory", FaultKind::out_of_memory},
      {"insmod invoked oom-killer: gfp_mask=0xcc0", FaultKind::out_of_memory},
      {"Out of memory: Killed process 80 (init)", FaultKind::out_of_memory},
      {"watchdog: BUG: soft lockup - CPU#0 stuck for 26s! [insmod:80]", FaultKind::soft_lockup},
      {"rcu: INFO: rcu_sched self-detected stall on CPU", FaultKind::soft_lockup},
      {"BUG: unable to handle page fault for address: ffff", FaultKind::oops},
      {"kernel BUG at /src/x.c:10!", FaultKind::oops},
      {"invalid opcode: 0000 [#1] PREEMPT SMP NOPTI", FaultKind::oops},
      {"general protection fault, probably for non-canonical address 0x1: 0000 [#1] SMP",
       FaultKind::oops},
      {"INFO: task init:80 blocked for more than 120 seconds.", FaultKind::hang},
      {"WARNING: CPU: 0 PID: 1 at x.c:1 f+0x1/0x2", FaultKind::warning},
      {"WARNING: possible circular locking dependency detected", FaultKind::warning},
      {"BUG: scheduling while atomic: insmod/80/0x00000002", FaultKind::warning},
      {"BUG: sleeping function called from invalid context at mm/slab.h:1", FaultKind::warning},
      {"x: module license 'Proprietary' taints kernel.", FaultKind::warning},
  };
  for (const auto& [line, kind] : lines) {
    const auto found = alarm_in_line("[    1.234567] " + line + "\r");
    ASSERT_TRUE(found) << line;
    EXPECT_EQ(to_string(*found), to_string(kind)) << line;
  }
}

TEST(AlarmInLine, ReadsLinesThatNameTheirCaller) {
  EXPECT_EQ(without_timestamp("[    1.234567][   T12] Kernel panic\r\n"), "Kernel panic");
  EXPECT_EQ(without_timestamp("[    1.234567]  <TASK>"), " <TASK>");
  EXPECT_EQ(without_timestamp("[x] y"), "[x] y");
}

TEST(AlarmInLine, LetsOrdinaryLinesPass) {
  for (const std::string line :
       {"e1000: eth0 NIC Link is Up 1000 Mbps Full Duplex", "random: crng init done",
        "x: loading out-of-tree module taints kernel.",
        "x: module verification failed: signature and/or required key missing - tainting kernel",
        "init[80]: segfault at 0 ip 0 sp 0 error 4 in init[400000+1000]",
        "nf_addr: WARNING: is in the middle of what the module says", "[#1]", " [#1]", ""}) {
    EXPECT_FALSE(alarm_in_line("[    1.234567] " + line)) << line;
  }
}

TEST(ConsoleMonitor, FindsAlarmsWhateverThePiecesTheyComeIn) {
  const std::string text = std::string(kTaints) + kPanic;
  for (std::size_t piece = 1; piece < 60; piece += 7) {
    ConsoleMonitor console(1U << 20);
    for (std::size_t at = 0; at < text.size(); at += piece) console.append(text.substr(at, piece));
    ASSERT_THAT(console.alarms(), SizeIs(1));
    EXPECT_EQ(console.alarms()[0].headline, "Kernel panic - not syncing: fault corpus");
    EXPECT_EQ(console.alarms()[0].offset, sizeof kTaints - 1);
  }
}

TEST(ConsoleMonitor, KeepsNoMoreThanItsLimit) {
  ConsoleMonitor console(1000);
  console.append(std::string(999, 'x'));
  EXPECT_FALSE(console.flooded());
  console.append("abc");
  EXPECT_TRUE(console.flooded());
  EXPECT_EQ(console.text().size(), 1000U);
  console.raise_limit(100);
  console.append("more");
  EXPECT_THAT(console.text(), testing::EndsWith("more"));
}

TEST(ConsoleMonitor, TheTailIsWholeLinesAndPrintable) {
  ConsoleMonitor console(1000);
  console.append("one\r\ntwo\x1b[31m\r\nthree\r\n");
  EXPECT_EQ(console.tail(2), "two?[31m\nthree\n");
  EXPECT_EQ(console.tail(99), "one\ntwo?[31m\nthree\n");
}

TEST(CallTrace, OfAPanicLeavesOutGuessesAndUserCode) {
  EXPECT_THAT(
      functions(parse_call_trace(kPanic)),
      ElementsAre("dump_stack_lvl", "panic", "fault_panic_init", "entry_SYSCALL_64_after_hwframe"));
  const auto frame = parse_call_trace(kPanic)[2];
  EXPECT_EQ(frame.module, "fault_panic");
  EXPECT_EQ(frame.offset, 0x11U);
  EXPECT_EQ(frame.size, 0x1000U);
}

TEST(CallTrace, OfAnOopsBeginsAtTheFaultingInstruction) {
  const auto trace = parse_call_trace(kOops);
  EXPECT_THAT(functions(trace),
              ElementsAre("write_badly.constprop.0", "fault_oops_init", "do_one_initcall"));
  EXPECT_FALSE(trace[0].caller);
  EXPECT_TRUE(trace[1].caller);
}

TEST(CallTrace, OfAnNmiBeginsWhereItStruck) {
  EXPECT_THAT(functions(parse_call_trace(kNmi)),
              ElementsAre("spin_for_ever", "fault_irqs_off_init", "do_one_initcall"));
}

TEST(CallTrace, GoesOnBelowAnInterruptThatTheNmiStruck) {
  const std::string trace =
      "[ 14.3] Kernel panic - not syncing: NMI: Not continuing\r\n[ 14.3] Call Trace:\r\n"
      "[ 14.3]  <NMI>\r\n[ 14.3]  exc_nmi+0x1/0x2\r\n[ 14.3] RIP: "
      "0010:lapic_next_event+0x1c/0x20\r\n"
      "[ 14.3]  </NMI>\r\n[ 14.3]  <IRQ>\r\n[ 14.3]  hrtimer_interrupt+0x11d/0x210\r\n"
      "[ 14.3]  </IRQ>\r\n[ 14.3]  <TASK>\r\n[ 14.3]  asm_sysvec_apic_timer_interrupt+0x16/0x20\r\n"
      "[ 14.3] RIP: 0010:console_unlock+0x1d0/0x2b0\r\n[ 14.3] RSP: 0018:ffffc900005f3be8\r\n"
      "[ 14.3]  _printk+0x68/0x83\r\n[ 14.3]  fault_log_flood_init+0x18/0x1000 "
      "[fault_log_flood]\r\n"
      "[ 14.3] RIP: 0033:0x54ec59\r\n[ 14.3]  </TASK>\r\n[ 14.3]  after_it+0x1/0x2\r\n";
  EXPECT_THAT(
      functions(parse_call_trace(trace)),
      ElementsAre("lapic_next_event", "hrtimer_interrupt", "asm_sysvec_apic_timer_interrupt",
                  "console_unlock", "_printk", "fault_log_flood_init"));
}

TEST(CallTrace, SurvivesWhateverAGuestPrints) {
  const std::string text = std::string(kPanic) + kOops + kNmi;
  base::RandomStream random(5, "console");
  for (int round = 0; round < 2000; ++round) {
    std::string mangled = text;
    for (int i = 0; i < 40; ++i) {
      mangled[random.below(mangled.size())] = static_cast<char>(random.below(256));
    }
    ConsoleMonitor console(mangled.size());
    console.append(mangled);
    for (const auto& alarm : console.alarms()) {
      parse_call_trace(std::string_view(console.text()).substr(alarm.offset));
    }
  }
  EXPECT_THAT(parse_call_trace("Call Trace:\n f+0x/0x1\n +0x1/0x1\n f+0xfffffffffffffffff/0x1\n"),
              IsEmpty());
}

TEST(CpuSample, ReadsQemusRegisters) {
  const auto samples = parse_cpu_samples(
      "\r\nCPU#0\r\nRAX=0000000000000000\r\nRIP=ffffffffc0240007 RFL=00000046 [---Z-P-] CPL=0 II=0 "
      "A20=1 SMM=0 HLT=0\r\n\r\nCPU#1\r\nRIP=0000000000401000 RFL=00000246 [---Z-P-] CPL=3 II=0 "
      "A20=1 SMM=0 HLT=1\r\n");
  ASSERT_THAT(samples, SizeIs(2));
  EXPECT_EQ(samples[0].instruction_pointer, 0xffffffffc0240007U);
  EXPECT_FALSE(samples[0].interrupts_enabled);
  EXPECT_FALSE(samples[0].user_mode);
  EXPECT_TRUE(samples[1].interrupts_enabled);
  EXPECT_TRUE(samples[1].user_mode);
  EXPECT_TRUE(samples[1].halted);
  EXPECT_THAT(parse_cpu_samples("nonsense CPU#0 RIP=zz"), IsEmpty());
}

TEST(CpuSample, JudgesTheWorstCpu) {
  const CpuSample idle{1, false, true, true};
  const CpuSample kernel{2, false, true, false};
  const CpuSample masked{3, false, false, false};
  const CpuSample user{4, true, true, false};
  EXPECT_EQ(judge_cpus({{idle}, {kernel}}).activity, CpuActivity::idle_or_mixed);
  EXPECT_EQ(judge_cpus({{kernel}, {masked}}).activity, CpuActivity::kernel_spin);
  EXPECT_EQ(judge_cpus({{user}, {user}}).activity, CpuActivity::user_spin);
  const auto worst = judge_cpus({{idle, masked}, {kernel, masked}});
  EXPECT_EQ(worst.activity, CpuActivity::kernel_spin_masked);
  EXPECT_EQ(worst.cpu, 1U);
  EXPECT_EQ(judge_cpus({}).activity, CpuActivity::idle_or_mixed);
}

/// A monitor whose machine is played by the test.
class FaultMonitorTest : public testing::Test {
 protected:
  FaultMonitorTest() {
    auto [host, guest] = base::socket_pair();
    guest_console_ = std::move(guest);
    FaultSources sources;
    sources.console = std::move(host);
    sources.console_id = "console";
    sources.take_event = [this]() -> std::optional<nlohmann::json> {
      if (events_.empty()) return std::nullopt;
      auto event = events_.front();
      events_.erase(events_.begin());
      return event;
    };
    sources.qemu_end = [this] { return end_; };
    sources.saw_triple_fault = [this] { return triple_; };
    sources.frame_of_cpu = [this](unsigned) { return frame_; };
    sources.cpus = 2;
    sources.qmp = [this](const std::string& command, const nlohmann::json&) -> nlohmann::json {
      if (command == "inject-nmi") print(nmi_answer_);
      if (command == "chardev-send-break") print(sysrq_answer_);
      return registers_;
    };
    FaultPolicy policy;
    policy.console_limit = 100'000;
    policy.quiet = std::chrono::milliseconds(50);
    policy.trace = std::chrono::milliseconds(100);
    policy.answer = std::chrono::milliseconds(100);
    monitor_ = std::make_unique<FaultMonitor>(std::move(sources), policy);
  }
  void print(const std::string& text) {
    ::send(guest_console_.get(), text.data(), text.size(), MSG_NOSIGNAL);
  }
  void reset_by_guest() {
    events_.push_back(
        {{"event", "SHUTDOWN"}, {"data", {{"guest", true}, {"reason", "guest-reset"}}}});
  }
  FaultReport fault() {
    try {
      monitor_->service();
    } catch (const GuestFault& thrown) {
      return thrown.report();
    }
    ADD_FAILURE() << "no fault";
    return {};
  }

  base::FileDescriptor guest_console_;
  std::vector<nlohmann::json> events_;
  std::optional<std::string> end_;
  bool triple_ = false;
  std::optional<TraceFrame> frame_;
  std::string registers_;
  std::string nmi_answer_;
  std::string sysrq_answer_;
  std::unique_ptr<FaultMonitor> monitor_;
};

TEST_F(FaultMonitorTest, SaysNothingOfAHealthyMachine) {
  print(kTaints);
  events_.push_back({{"event", "RTC_CHANGE"}});
  monitor_->service();
  EXPECT_FALSE(monitor_->alarming());
}

TEST_F(FaultMonitorTest, APanicComesBeforeTheResetThatFollowsIt) {
  print(std::string(kTaints) + kPanic);
  reset_by_guest();
  const auto report = fault();
  EXPECT_EQ(report.kind, FaultKind::panic);
  EXPECT_THAT(report.summary, HasSubstr("in fault_panic_init [fault_panic]"));
  EXPECT_EQ(fault().summary, report.summary) << "the first verdict stays";
}

TEST_F(FaultMonitorTest, TellsATripleFaultFromAReboot) {
  triple_ = true;
  reset_by_guest();
  EXPECT_EQ(fault().kind, FaultKind::triple_fault);
}

TEST_F(FaultMonitorTest, ARebootIsAReboot) {
  reset_by_guest();
  EXPECT_EQ(fault().kind, FaultKind::reboot);
}

TEST_F(FaultMonitorTest, OurOwnQuitIsNoFault) {
  events_.push_back(
      {{"event", "SHUTDOWN"}, {"data", {{"guest", false}, {"reason", "host-qmp-quit"}}}});
  monitor_->service();
}

TEST_F(FaultMonitorTest, ToleratesEventsOfStrangeShape) {
  events_ = {
      {{"event", "SHUTDOWN"}}, {{"event", "SHUTDOWN"}, {"data", 3}}, nlohmann::json::object()};
  monitor_->service();
}

TEST_F(FaultMonitorTest, TheEndOfQemuIsAVerdict) {
  end_ = "signal 6 (Aborted): hardware error";
  const auto report = fault();
  EXPECT_EQ(report.kind, FaultKind::qemu_died);
  EXPECT_THAT(report.summary, HasSubstr("hardware error"));
}

TEST_F(FaultMonitorTest, AWarningAlarmsAndLivesOn) {
  print("[ 1.0] WARNING: CPU: 0 PID: 1 at x.c:1 f+0x1/0x2 [m]\r\n[ 1.0] ---[ end trace 0 ]---\r\n");
  monitor_->service();
  ASSERT_TRUE(monitor_->alarming());
  EXPECT_EQ(monitor_->alarming()->kind, FaultKind::warning);
}

TEST_F(FaultMonitorTest, ASpinWithInterruptsOffIsAHardLockup) {
  registers_ = "CPU#0\r\nRIP=ffffffffc0240007 RFL=00000046 CPL=0 HLT=0\r\n";
  nmi_answer_ = kNmi;
  const auto report = monitor_->diagnose("sign of life", false);
  EXPECT_EQ(report.kind, FaultKind::hard_lockup);
  EXPECT_THAT(functions(report.trace), testing::Contains("spin_for_ever"));
}

TEST_F(FaultMonitorTest, AGuestThatSaysNothingIsAskedByTheHost) {
  registers_ = "CPU#0\r\nRIP=ffffffffc0240007 RFL=00000046 CPL=0 HLT=0\r\n";
  frame_ = TraceFrame{.function = "spin", .offset = 7, .size = 32, .module = "lab", .location = {}};
  const auto report = monitor_->diagnose("sign of life", false);
  EXPECT_EQ(report.kind, FaultKind::hard_lockup);
  EXPECT_THAT(functions(report.trace), ElementsAre("spin"));
  EXPECT_THAT(report.summary, HasSubstr("in spin [lab]"));
}

TEST_F(FaultMonitorTest, AStallOfACpuThatTakesNoInterruptsIsAHardLockup) {
  registers_ = "CPU#0\r\nRIP=ffffffffc0240007 RFL=00000046 CPL=0 HLT=0\r\n";
  print("[ 26.0] rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:\r\n" + std::string(kNmi));
  EXPECT_EQ(fault().kind, FaultKind::hard_lockup);
}

TEST_F(FaultMonitorTest, ASpinWithInterruptsOnIsASoftLockup) {
  registers_ = "CPU#0\r\nRIP=ffffffffc0240007 RFL=00000246 CPL=0 HLT=0\r\n";
  nmi_answer_ = kNmi;
  EXPECT_EQ(monitor_->diagnose("sign of life", false).kind, FaultKind::soft_lockup);
}

TEST_F(FaultMonitorTest, AnIdleMachineThatDoesNotAnswerHangs) {
  registers_ = "CPU#0\r\nRIP=ffffffff81000000 RFL=00000246 CPL=0 HLT=1\r\n";
  sysrq_answer_ =
      "[ 9.0] sysrq: Show Blocked State\r\n[ 9.0] task:kworker state:D\r\n[ 9.0] Call Trace:\r\n"
      "[ 9.0]  other+0x1/0x2\r\n[ 9.0] task:init state:D\r\n[ 9.0] Call Trace:\r\n[ 9.0]  "
      "<TASK>\r\n[ 9.0]  schedule+0x1/0x2\r\n[ 9.0]  m_exit+0xc/0x20 [m]\r\n[ 9.0]  </TASK>\r\n";
  monitor_->know_module("m", "/nonexistent.ko");
  const auto report = monitor_->diagnose("unload_module", true);
  EXPECT_EQ(report.kind, FaultKind::hang);
  EXPECT_THAT(report.summary, HasSubstr("unload_module"));
  EXPECT_THAT(functions(report.trace), ElementsAre("schedule", "m_exit"));
}

TEST_F(FaultMonitorTest, AnEndlessLogIsAFlood) {
  registers_ = "CPU#0\r\nRIP=ffffffffc0240007 RFL=00000246 CPL=0 HLT=0\r\n";
  for (int i = 0; i < 40; ++i) {
    print(std::string(5000, 'x') + "\n");
    monitor_->console();
  }
  EXPECT_EQ(fault().kind, FaultKind::log_flood);
}

}  // namespace
}  // namespace zcl::vm
