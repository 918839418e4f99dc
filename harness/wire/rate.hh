// SPDX-License-Identifier: MIT
// How fast the host sends. Host time: good for functional checks and for load, never for counted
// figures, since frames of the host reach a guest at unrepeatable moments of its virtual time.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>

#include "harness/base/deadline.hh"
#include "harness/wire/link.hh"

namespace zcl::wire {

/// Frames per second, in bursts. A rate of 0 means as fast as the cable takes them.
struct Rate {
  double frames_per_second = 0;
  std::size_t burst = 1;  ///< frames sent together, at least 1
};

/// When each burst is due: start + n * burst / rate. Late bursts do not shift the later ones, so
/// the average holds however the sender was delayed. Pure arithmetic; the caller supplies the
/// clock.
class Pacer {
 public:
  using Clock = base::Deadline::Clock;

  /// Throws std::invalid_argument for a negative rate or an empty burst.
  Pacer(const Rate& rate, Clock::time_point start);

  /// When the next burst may leave.
  [[nodiscard]] Clock::time_point due() const;
  /// Frames of the next burst when `left` are still to be sent.
  [[nodiscard]] std::size_t burst_size(std::uint64_t left) const;
  /// The burst left.
  void sent() { ++bursts_; }

 private:
  Rate rate_;
  Clock::time_point start_;
  std::uint64_t bursts_ = 0;
};

/// Sends frames make(0) … make(count - 1) at `rate`, handing each burst to `between` before waiting
/// for the next one (to drain the receiving side). Throws DeadlinePassed, or what Link::send
/// throws.
void send_paced(Link& link, std::uint64_t count, const Rate& rate,
                const std::function<Frame(std::uint64_t)>& make, const base::Deadline& deadline,
                const std::function<void()>& between = {});

}  // namespace zcl::wire
