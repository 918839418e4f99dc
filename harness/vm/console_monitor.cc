// SPDX-License-Identifier: MIT
#include "harness/vm/console_monitor.hh"

#include <algorithm>
#include <array>
#include <cctype>

namespace zcl::vm {

namespace {

constexpr std::size_t kMaxAlarms = 1000;

struct Pattern {
  std::string_view text;
  bool at_start;  ///< of the line, else anywhere
  FaultKind kind;
};

// In order: the first that matches decides. Sources in the kernel are named where the wording is
// not plain from them.
constexpr std::array kPatterns = {
    Pattern{"System is deadlocked on memory", false, FaultKind::out_of_memory},  // mm/oom_kill.c
    Pattern{"Kernel panic - not syncing: Out of memory", true, FaultKind::out_of_memory},
    Pattern{"Kernel panic - not syncing: Hard LOCKUP", true, FaultKind::hard_lockup},
    Pattern{"Kernel panic - not syncing: softlockup", true, FaultKind::soft_lockup},
    Pattern{"Kernel panic - not syncing: hung_task", true, FaultKind::hang},
    Pattern{"Kernel panic - not syncing", true, FaultKind::panic},
    Pattern{"invoked oom-killer:", false, FaultKind::out_of_memory},
    Pattern{"Out of memory: Kill", true, FaultKind::out_of_memory},
    Pattern{"watchdog: BUG: soft lockup", true, FaultKind::soft_lockup},
    Pattern{"BUG: soft lockup", true, FaultKind::soft_lockup},
    Pattern{"Watchdog detected hard LOCKUP", false, FaultKind::hard_lockup},
    // "rcu: INFO: rcu_sched self-detected stall on CPU"; kernel/rcu/tree_stall.h
    Pattern{"self-detected stall on CPU", false, FaultKind::soft_lockup},
    Pattern{"detected stalls on CPUs/tasks", false, FaultKind::soft_lockup},
    Pattern{"detected expedited stalls", false, FaultKind::soft_lockup},
    // arch/x86/mm/fault.c, arch/x86/kernel/dumpstack.c, traps.c
    Pattern{"BUG: unable to handle", true, FaultKind::oops},
    Pattern{"BUG: kernel NULL pointer dereference", true, FaultKind::oops},
    Pattern{"BUG: stack guard page was hit", true, FaultKind::oops},
    Pattern{"BUG: TASK stack guard page was hit", true, FaultKind::oops},
    Pattern{"BUG: IRQ stack guard page was hit", true, FaultKind::oops},
    Pattern{"kernel BUG at ", true, FaultKind::oops},
    Pattern{"kernel tried to execute NX-protected page", true, FaultKind::oops},
    Pattern{"Oops: ", true, FaultKind::oops},
    Pattern{"PANIC: double fault", true, FaultKind::oops},
    // kernel/hung_task.c
    Pattern{" blocked for more than ", false, FaultKind::hang},
    // The rest lives on, but has something to say. Includes lockdep.
    Pattern{"WARNING: ", true, FaultKind::warning},
    Pattern{"BUG: ", true, FaultKind::warning},
    Pattern{"INFO: possible ", true, FaultKind::warning},
    Pattern{"INFO: trying to register non-static key", true, FaultKind::warning},
    Pattern{"INFO: inconsistent lock state", true, FaultKind::warning},
    Pattern{"[ BUG: ", true, FaultKind::warning},
    Pattern{"[ INFO: ", true, FaultKind::warning},
    Pattern{"UBSAN: ", true, FaultKind::warning},
    Pattern{"list_add corruption", true, FaultKind::warning},
    Pattern{"list_del corruption", true, FaultKind::warning},
    Pattern{"sysfs: cannot create duplicate filename", true, FaultKind::warning},
    Pattern{"Uhhuh. NMI received", true, FaultKind::warning},
    Pattern{"kobject: '", true, FaultKind::warning},
};

/// arch/x86/kernel/dumpstack.c, __die_header(): "<what>: 0002 [#1] PREEMPT SMP".
bool is_die_header(std::string_view line) {
  const std::size_t mark = line.find(" [#");
  if (mark == std::string_view::npos || mark < 6) return false;
  const auto code = line.substr(mark - 4, 4);
  return line.substr(mark - 6, 2) == ": " && std::all_of(code.begin(), code.end(), [](char digit) {
           return std::isxdigit(static_cast<unsigned char>(digit)) != 0;
         });
}

/// kernel/module/main.c: taints are announced as "<module>: … taints kernel" or "… tainting
/// kernel".
bool is_new_taint(std::string_view line) {
  if (line.find("taints kernel") == std::string_view::npos &&
      line.find("tainting kernel") == std::string_view::npos) {
    return false;
  }
  return line.find("loading out-of-tree module taints kernel") == std::string_view::npos &&
         line.find("module verification failed: signature and/or required key missing") ==
             std::string_view::npos;
}

}  // namespace

std::string_view without_timestamp(std::string_view line) {
  while (line.ends_with('\r') || line.ends_with('\n')) line.remove_suffix(1);
  // "[    1.234567] " or, with CONFIG_PRINTK_CALLER, "[    1.234567][    T1] ".
  for (int part = 0; part < 2 && line.starts_with('['); ++part) {
    const std::size_t end = line.find(']');
    if (end == std::string_view::npos) break;
    const auto inside = line.substr(1, end - 1);
    const bool stamp = !inside.empty() && std::all_of(inside.begin(), inside.end(), [](char c) {
      return c == ' ' || c == '.' || c == 'T' || c == 'C' ||
             std::isdigit(static_cast<unsigned char>(c)) != 0;
    });
    if (!stamp) break;
    line.remove_prefix(end + 1);
    if (line.starts_with(' ')) {
      line.remove_prefix(1);
      break;
    }
  }
  return line;
}

std::optional<FaultKind> alarm_in_line(std::string_view line) {
  const std::string_view text = without_timestamp(line);
  for (const auto& pattern : kPatterns) {
    const bool found = pattern.at_start ? text.starts_with(pattern.text)
                                        : text.find(pattern.text) != std::string_view::npos;
    if (found) return pattern.kind;
  }
  if (is_die_header(text)) return FaultKind::oops;
  if (is_new_taint(text)) return FaultKind::warning;
  return std::nullopt;
}

void ConsoleMonitor::append(std::string_view bytes) {
  received_ += bytes.size();
  const std::size_t room = limit_ - std::min(limit_, text_.size());
  for (const char each : bytes.substr(0, room)) {
    const auto code = static_cast<unsigned char>(each);
    const bool plain = code >= 0x20 ? code != 0x7f : each == '\n' || each == '\t' || each == '\r';
    text_.push_back(plain ? each : '?');
  }
  scan();
}

void ConsoleMonitor::scan() {
  for (std::size_t end = 0; (end = text_.find('\n', scanned_)) != std::string::npos;
       scanned_ = end + 1) {
    const std::string_view line(text_.data() + scanned_, end - scanned_);
    const auto kind = alarm_in_line(line);
    if (kind && alarms_.size() < kMaxAlarms) {
      alarms_.push_back({*kind, scanned_, std::string(without_timestamp(line).substr(0, 500))});
    }
  }
}

std::string ConsoleMonitor::tail(std::size_t lines) const {
  std::size_t begin = text_.size();
  if (text_.ends_with('\n')) --begin;
  while (lines > 0 && begin > 0) {
    const std::size_t newline = text_.rfind('\n', begin - 1);
    begin = newline == std::string::npos ? 0 : newline;
    --lines;
  }
  std::string result = text_.substr(begin > 0 ? begin + 1 : 0);
  std::erase(result, '\r');
  return result;
}

}  // namespace zcl::vm
