// SPDX-License-Identifier: MIT
#include "harness/wire/rate.hh"

#include <algorithm>
#include <stdexcept>
#include <thread>
#include <vector>

namespace zcl::wire {

Pacer::Pacer(const Rate& rate, Clock::time_point start) : rate_(rate), start_(start) {
  if (!(rate.frames_per_second >= 0) || rate.burst == 0) {
    throw std::invalid_argument("a rate is not negative and a burst has at least one frame");
  }
}

Pacer::Clock::time_point Pacer::due() const {
  if (rate_.frames_per_second == 0) return start_;
  const std::chrono::duration<double> offset(
      static_cast<double>(bursts_) * static_cast<double>(rate_.burst) / rate_.frames_per_second);
  return start_ + std::chrono::duration_cast<Clock::duration>(offset);
}

std::size_t Pacer::burst_size(std::uint64_t left) const {
  return static_cast<std::size_t>(std::min<std::uint64_t>(rate_.burst, left));
}

void send_paced(Link& link, std::uint64_t count, const Rate& rate,
                const std::function<Frame(std::uint64_t)>& make, const base::Deadline& deadline,
                const std::function<void()>& between) {
  Pacer pacer(rate, Pacer::Clock::now());
  std::uint64_t next = 0;
  while (next < count) {
    // Pacing to an absolute time, not waiting for another's work: a sleep is right here.
    if (pacer.due() > Pacer::Clock::now() + deadline.left()) throw base::DeadlinePassed(deadline);
    std::this_thread::sleep_until(pacer.due());
    std::vector<Frame> burst(pacer.burst_size(count - next));
    for (auto& frame : burst) frame = make(next++);
    link.send_all(burst, deadline);
    pacer.sent();
    if (between) between();
  }
}

}  // namespace zcl::wire
