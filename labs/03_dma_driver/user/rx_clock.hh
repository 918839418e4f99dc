// SPDX-License-Identifier: MIT
// The guest's monotonic clock, in nanoseconds.
#pragma once

#include <cerrno>
#include <cstdint>
#include <ctime>

namespace zcl::rx {

inline constexpr std::uint64_t kSecond = 1'000'000'000;

inline std::uint64_t now() {
  timespec time{};
  ::clock_gettime(CLOCK_MONOTONIC, &time);
  return static_cast<std::uint64_t>(time.tv_sec) * kSecond +
         static_cast<std::uint64_t>(time.tv_nsec);
}

inline void sleep_until(std::uint64_t when) {
  const timespec time = {static_cast<time_t>(when / kSecond), static_cast<long>(when % kSecond)};
  while (::clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, nullptr) == EINTR) {
  }
}

}  // namespace zcl::rx
