// SPDX-License-Identifier: MIT
// Guest side of the tests of lab 03's ring: hunts for a lost wake-up.
//
//   ring_wakeups SENDER INTERFACE poll|always|epoll|edge|read|eventfd ROUNDS SEED
//
// One thread receives, and sleeps without a limit whenever there is nothing. The other sends the
// next packets a random moment after the last were taken, about as long as it takes to go to sleep,
// so that many come between the last look and the sleep. Nothing else would ever wake the receiver.
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <thread>

#include "labs/common/user/burst_sender.hh"
#include "labs/common/user/ring.hh"

namespace {

using zcl::user::BurstSender;
using zcl::user::check;
using zcl::user::FileDescriptor;
using zcl::user::Ring;
using Clock = std::chrono::steady_clock;

constexpr std::chrono::seconds kLost{10};  // nobody is woken that late
constexpr unsigned kMostPackets = 3;
constexpr unsigned kLongestDelay = 60;  // us

/// Returns when there may be something to take; how many packets it took itself.
class Sleeper {
 public:
  Sleeper(Ring& ring, const std::string& how) : ring_(ring), how_(how) {
    if (how == "epoll" || how == "edge") {
      file_ = FileDescriptor(check("epoll_create1", ::epoll_create1(0)));
      epoll_event event{.events = EPOLLIN | (how == "edge" ? EPOLLET : 0U), .data = {}};
      check("epoll_ctl", ::epoll_ctl(file_.get(), EPOLL_CTL_ADD, ring.file().get(), &event));
    } else if (how == "eventfd") {
      file_ = FileDescriptor(check("eventfd", ::eventfd(0, 0)));
      ring.set_eventfd(file_.get());
    }
  }

  std::size_t sleep() {
    if (how_ == "read") {
      std::byte packet[64];
      check("read", ::read(ring_.file().get(), packet, sizeof packet));
      return 1;
    }
    if (how_ == "eventfd") {
      std::uint64_t count = 0;
      if (ring_.sync(ZCL_SYNC_RX) == 0) check("read", ::read(file_.get(), &count, sizeof count));
    } else if (file_.get() >= 0) {
      epoll_event event{};
      check("epoll_wait", ::epoll_wait(file_.get(), &event, 1, -1));
    } else {
      ring_.wait(POLLIN);
    }
    return 0;
  }

 private:
  Ring& ring_;
  std::string how_;
  FileDescriptor file_;
};

struct Progress {
  std::atomic<std::uint64_t> sent = 0;
  std::atomic<std::uint64_t> taken = 0;
};

[[noreturn]] void receive(Ring& ring, const std::string& how, Progress& progress) {
  Sleeper sleeper(ring, how);
  for (;;) {
    if (how != "read") {
      const auto slots = ring.rx().available();
      ring.rx().release(slots.size());
      progress.taken += slots.size();
      if (!slots.empty()) continue;
    }
    progress.taken += sleeper.sleep();
  }
}

bool wait_until_taken(const Progress& progress) {
  const auto deadline = Clock::now() + kLost;
  while (progress.taken < progress.sent) {
    if (Clock::now() > deadline) return false;
    std::this_thread::yield();
  }
  return progress.taken == progress.sent;
}

bool send(BurstSender& sender, Progress& progress, std::uint64_t rounds, unsigned seed) {
  std::mt19937 random(seed);
  for (std::uint64_t round = 0; round < rounds; ++round) {
    const auto until = Clock::now() + std::chrono::microseconds(random() % kLongestDelay);
    while (Clock::now() < until) {
    }
    const unsigned packets = 1 + static_cast<unsigned>(random()) % kMostPackets;
    progress.sent += packets;
    sender.emit(packets);
    if (!wait_until_taken(progress)) {
      std::printf("round %llu: sent %llu, taken %llu\n", static_cast<unsigned long long>(round),
                  static_cast<unsigned long long>(progress.sent),
                  static_cast<unsigned long long>(progress.taken));
      return false;
    }
  }
  return true;
}

void fill(BurstSender& sender) {
  const std::uint8_t frame[64] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 9, 0x88, 0xb5};
  for (std::size_t slot = 0; slot < BurstSender::kSlots; ++slot) {
    sender.set_frame(slot, frame, sizeof frame);
  }
}

int run(char** argv) {
  const std::string how = argv[3];
  BurstSender sender(argv[1]);
  fill(sender);
  zcl::user::RingOptions options;
  if (how == "edge" || how == "always") options.interrupts = ZCL_INTERRUPTS_ALWAYS;
  Ring ring(zcl::user::ring_node(argv[2]), options);
  ring.set_mode(ZCL_MODE_RING);
  zcl::user::wait_for_reception();
  Progress progress;
  std::thread([&] { receive(ring, how, progress); }).detach();
  const bool all =
      send(sender, progress, std::stoull(argv[4]), static_cast<unsigned>(std::stoul(argv[5])));
  std::printf("%s: %llu packets, %llu wake-ups\n", how.c_str(),
              static_cast<unsigned long long>(progress.taken),
              static_cast<unsigned long long>(ring.stats().wakeups));
  std::fflush(stdout);
  std::_Exit(all ? 0 : 1);  // the receiver sleeps
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 6) {
    std::fputs("usage: ring_wakeups SENDER INTERFACE METHOD ROUNDS SEED\n", stderr);
    return 2;
  }
  return zcl::user::run_program("ring_wakeups", [argv] { return run(argv); });
}
