// SPDX-License-Identifier: MIT
// A sender process for the receive measurements: sleeps, emits a burst, sleeps.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <cstdint>
#include <string>

#include "file_descriptor.hh"
#include "rx_packet.hh"

namespace zcl::rx {

/// What is sent in one go.
struct Train {
  enum class Marks : std::uint32_t { none, sender_alone, measured };

  std::uint64_t packets = 0;
  std::uint64_t burst = 32;
  std::uint64_t interval_ns = 320'000;  ///< of guest time, from burst to burst
  Marks marks = Marks::none;
};

/// The process ends with this object. Not copyable.
class PacedSender {
 public:
  /// Forks; the child takes the card. Returns once it is ready. Throws std::system_error.
  PacedSender(const std::string& card, std::size_t frame_bytes, FrameKind kind);
  ~PacedSender();
  PacedSender(const PacedSender&) = delete;
  PacedSender& operator=(const PacedSender&) = delete;

  /// Starts a train. Sequence numbers go on where the last one ended, except where the sender runs
  /// alone: then it does all but send.
  void start(const Train& train);
  /// Whether all of it was sent some time ago, so that a receiver that finds nothing has it all.
  /// From then on SIGUSR1 comes from time to time, for one that sleeps, until stop().
  [[nodiscard]] bool finished() const {
    return shared_->finished.load(std::memory_order_acquire) != 0;
  }
  void stop();

 private:
  struct Shared {
    std::atomic<std::uint32_t> finished;
    std::atomic<std::uint32_t> stopped;
  };
  [[noreturn]] void run(const std::string& card, std::size_t frame_bytes, FrameKind kind);

  user::FileDescriptor orders_out_;
  user::FileDescriptor orders_in_;
  user::FileDescriptor ready_out_;
  user::FileDescriptor ready_in_;
  Shared* shared_ = nullptr;
  pid_t child_ = -1;
};

}  // namespace zcl::rx
