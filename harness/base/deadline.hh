// SPDX-License-Identifier: MIT
// A named point in time by which something must have happened.
#pragma once

#include <algorithm>
#include <chrono>
#include <stdexcept>
#include <string>
#include <utility>

namespace zcl::base {

/// Every wait of the harness ends at one of these; the name tells which one ended it.
class Deadline {
 public:
  using Clock = std::chrono::steady_clock;

  Deadline(std::string name, Clock::duration from_now)
      : name_(std::move(name)), at_(Clock::now() + from_now) {}

  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] bool passed() const { return Clock::now() >= at_; }
  /// Time left, never negative.
  [[nodiscard]] Clock::duration left() const {
    return std::max(Clock::duration::zero(), at_ - Clock::now());
  }
  /// Time left as poll(2) wants it: milliseconds, rounded up.
  [[nodiscard]] int poll_timeout() const {
    return static_cast<int>(std::chrono::ceil<std::chrono::milliseconds>(left()).count());
  }

 private:
  std::string name_;
  Clock::time_point at_;
};

/// A deadline passed. The message names it.
class DeadlinePassed : public std::runtime_error {
 public:
  explicit DeadlinePassed(const Deadline& deadline)
      : std::runtime_error("deadline passed: " + deadline.name()) {}
};

}  // namespace zcl::base
