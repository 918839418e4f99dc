// SPDX-License-Identifier: MIT
#include "rx_sender.hh"

#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <vector>

#include "burst_sender.hh"
#include "count_mark.hh"
#include "rx_clock.hh"
#include "rx_traffic.hh"

namespace zcl::rx {

namespace {

constexpr int kPriority = 50;
/// Between the order and the first burst, so that the receiver sleeps by then.
constexpr std::uint64_t kLeadNs = 1'000'000;
/// After the last burst: what is on its way arrives before the end mark.
constexpr std::uint64_t kSettleNs = 10'000'000;
/// A receiver that is behind gets this long to catch up each time before it is told of the end.
constexpr std::uint64_t kDrainNs = 20'000'000;

class Trains {
 public:
  Trains(const std::string& card, std::size_t frame_bytes, FrameKind kind) : sender_(card) {
    std::vector<std::uint8_t> frame(frame_bytes);
    for (std::size_t slot = 0; slot < sender_.kSlots; ++slot) {
      write_frame(frame.data(), frame.size(), kind, slot);
      sender_.set_frame(slot, frame.data(), frame.size());
    }
  }

  void run(const Train& train) {
    std::uint64_t when = now() + kLeadNs;
    sleep_until(when);
    if (train.marks == Train::Marks::measured) user::count_mark<kMarkBegin>();
    if (train.marks == Train::Marks::sender_alone) user::count_mark<kMarkSenderBegin>();
    const bool silent = train.marks == Train::Marks::sender_alone;
    for (std::uint64_t left = train.packets; left > 0;) {
      const std::uint64_t due = std::min<std::uint64_t>(left, train.burst);
      number_next(due, silent ? sequence_ : sequence_ + due);
      sender_.emit(silent ? 0 : due);
      left -= due;
      sleep_until(when += train.interval_ns);
    }
    sleep_until(when += kSettleNs);
    if (train.marks == Train::Marks::measured) user::count_mark<kMarkEnd>();
    if (train.marks == Train::Marks::sender_alone) user::count_mark<kMarkSenderEnd>();
  }

 private:
  /// The frames of the next `count` slots get the numbers from sequence_ on.
  void number_next(std::uint64_t count, std::uint64_t sequence_after) {
    for (std::uint64_t i = 0; i < count; ++i) {
      renumber(sender_.frame((sender_.next_slot() + i) % sender_.kSlots), sequence_ + i);
    }
    sequence_ = sequence_after;
  }

  user::BurstSender sender_;
  std::uint64_t sequence_ = 0;
};

}  // namespace

PacedSender::PacedSender(const std::string& card, std::size_t frame_bytes, FrameKind kind) {
  int orders[2];
  int ready[2];
  user::check("pipe", ::pipe(orders));
  orders_in_ = user::FileDescriptor(orders[0]);
  orders_out_ = user::FileDescriptor(orders[1]);
  user::check("pipe", ::pipe(ready));
  ready_in_ = user::FileDescriptor(ready[0]);
  ready_out_ = user::FileDescriptor(ready[1]);
  void* const map =
      ::mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (map == MAP_FAILED) user::throw_errno("mmap");
  shared_ = new (map) Shared{};
  child_ = user::check("fork", ::fork());
  if (child_ == 0) run(card, frame_bytes, kind);
  ready_out_.reset();
  char byte = 0;
  if (::read(ready_in_.get(), &byte, 1) != 1) throw std::runtime_error("the sender cannot start");
}

PacedSender::~PacedSender() {
  if (child_ > 0) {
    ::kill(child_, SIGKILL);
    ::waitpid(child_, nullptr, 0);
  }
  if (shared_ != nullptr) ::munmap(shared_, sizeof(Shared));
}

void PacedSender::run(const std::string& card, std::size_t frame_bytes, FrameKind kind) {
  try {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    const sched_param priority = {.sched_priority = kPriority};
    user::check("sched_setscheduler", ::sched_setscheduler(0, SCHED_FIFO, &priority));
    Trains trains(card, frame_bytes, kind);
    user::check("write", ::write(ready_out_.get(), "", 1));
    Train train;
    while (::read(orders_in_.get(), &train, sizeof train) == sizeof train) {
      trains.run(train);
      sleep_until(now() + kDrainNs);
      shared_->finished.store(1, std::memory_order_release);
      while (shared_->stopped.load(std::memory_order_acquire) == 0) {
        ::kill(::getppid(), SIGUSR1);
        sleep_until(now() + kDrainNs);
      }
      shared_->stopped.store(0, std::memory_order_release);
    }
  } catch (const std::exception& error) {
    std::fprintf(stderr, "sender: %s\n", error.what());
  }
  ::_exit(EXIT_FAILURE);
}

void PacedSender::start(const Train& train) {
  shared_->finished.store(0, std::memory_order_release);
  user::check("write", ::write(orders_out_.get(), &train, sizeof train));
}

void PacedSender::stop() {
  shared_->stopped.store(1, std::memory_order_release);
  while (shared_->stopped.load(std::memory_order_acquire) != 0) ::usleep(1000);
}

}  // namespace zcl::rx
