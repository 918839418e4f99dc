// SPDX-License-Identifier: MIT
// The console of one machine: everything it printed, up to a limit, and the alarms in it.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "harness/vm/guest_fault.hh"

namespace zcl::vm {

/// A line of the console that begins a report of the kernel.
struct ConsoleAlarm {
  FaultKind kind = FaultKind::warning;
  std::size_t offset = 0;  ///< of the line in the console's text
  std::string headline;    ///< the line without its timestamp
};

/// What a console line means: a kind of fault, or nothing alarming. Taints that come with loading
/// any module of ours (out-of-tree, unsigned) are not alarming.
std::optional<FaultKind> alarm_in_line(std::string_view line);

/// The line without "[    1.234567] " (and the caller "[  T12]") and carriage return.
std::string_view without_timestamp(std::string_view line);

/// Bounded: what comes after `limit` bytes is counted, not kept.
class ConsoleMonitor {
 public:
  explicit ConsoleMonitor(std::size_t limit) : limit_(limit) {}

  /// Takes what the guest printed next; control characters other than newline and tab become '?'.
  void append(std::string_view bytes);
  [[nodiscard]] const std::string& text() const { return text_; }
  [[nodiscard]] bool flooded() const { return received_ > limit_; }
  /// Keeps `bytes` more than what has come so far.
  void raise_limit(std::size_t bytes) { limit_ = received_ + bytes; }
  [[nodiscard]] std::size_t received() const { return received_; }
  /// In the order they were printed.
  [[nodiscard]] const std::vector<ConsoleAlarm>& alarms() const { return alarms_; }
  /// The last `lines` lines.
  [[nodiscard]] std::string tail(std::size_t lines = 40) const;

 private:
  void scan();

  std::size_t limit_;
  std::size_t received_ = 0;  ///< more than text_ holds once the limit was passed
  std::string text_;
  std::size_t scanned_ = 0;  ///< up to here, whole lines only
  std::vector<ConsoleAlarm> alarms_;
};

}  // namespace zcl::vm
