// SPDX-License-Identifier: MIT
#include "rx_traffic.hh"

#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <stdexcept>
#include <string_view>
#include <vector>

#include "burst_sender.hh"
#include "count_mark.hh"
#include "rx_clock.hh"
#include "rx_sender.hh"

namespace zcl::rx {

namespace {

using user::BurstSender;
using user::count_mark;

/// Packets of a lockstep round: one turn of the sender's ring.
constexpr std::uint64_t kRound = BurstSender::kSlots;
/// Looks at an empty receiver before a packet is given up for lost.
constexpr unsigned kMaxEmpty = 1'000'000;
/// Guest time in which one that sleeps must have got everything of a lockstep run. TPACKET_V3
/// sleeps for up to two timer ticks a burst.
constexpr unsigned kAlarmSeconds = 300;
/// Packets that bring everything into use before the measured ones.
constexpr std::uint64_t kWarmUp = 512;
constexpr std::uint64_t kWarmUpKpps = 10;
constexpr std::uint64_t kPacedBurst = 32;

struct Job {
  std::string card;
  std::string sender;
  FrameKind frames;
  std::size_t bytes;
  std::uint64_t packets;
  std::string_view pattern;
  std::uint64_t burst_or_kpps;
};

Receiver* signalled = nullptr;
volatile std::sig_atomic_t alarmed = 0;

void on_signal(int signal) {
  if (signal == SIGALRM) alarmed = 1;
  if (signalled != nullptr) signalled->interrupt();
}

/// SIGUSR1 and SIGALRM end a system call that sleeps, and nothing else.
void take_signals(Receiver* receiver) {
  signalled = receiver;
  struct sigaction action {};
  action.sa_handler = on_signal;
  user::check("sigaction", ::sigaction(SIGUSR1, &action, nullptr));
  user::check("sigaction", ::sigaction(SIGALRM, &action, nullptr));
}

void say(const std::string& line) {
  user::check("write", ::write(STDOUT_FILENO, line.data(), line.size()));
}

/// Until a byte of standard input comes, without sleeping.
void wait_for_host() {
  ::fcntl(STDIN_FILENO, F_SETFL, O_NONBLOCK);
  char byte = 0;
  for (;;) {
    const ssize_t got = ::read(STDIN_FILENO, &byte, 1);
    if (got == 1) return;
    if (got == 0) throw std::runtime_error("standard input ended");
    if (errno != EAGAIN && errno != EINTR) user::throw_errno("read");
    ::sched_yield();
  }
}

/// Sleeps until the next moment that is `offset` after one of a coarse grid. From there on all that
/// the kernel does by the clock (timer tick, the stock driver's watchdog of two seconds) stands the
/// same way to what is measured in every run, however long the host took before.
void align(std::uint64_t offset) {
  constexpr std::uint64_t kGrid = 4 * kSecond;
  sleep_until((now() - offset) / kGrid * kGrid + kGrid + offset);
}

std::unique_ptr<Receiver> make_receiver(const ReceiverKind& kind, const std::string& card) {
  align(0);
  auto receiver = kind.make(card);
  take_signals(receiver.get());
  user::wait_for_reception();
  return receiver;
}

/// The watchdog looks in the first half of every other second since the interface came up, and
/// reads many registers. So the host reads its counters, and all is measured, between two looks.
void start_measuring() {
  align(kSecond * 3 / 4);
  say("ready\n");
  wait_for_host();
  align(kSecond * 3 / 2);
}

/// Burst after burst; each round of kRound packets between marks where they are `measured`.
class Lockstep {
 public:
  explicit Lockstep(const Job& job) : sender_(job.sender), burst_(job.burst_or_kpps) {
    if (burst_ == 0 || burst_ >= kRound || kRound % burst_ != 0) {
      throw std::invalid_argument("a burst divides 256");
    }
    std::vector<std::uint8_t> frame(job.bytes);
    for (std::size_t slot = 0; slot < kRound; ++slot) {
      write_frame(frame.data(), frame.size(), job.frames, slot);
      sender_.set_frame(slot, frame.data(), frame.size());
    }
  }

  void run(Receiver& receiver, Account& account, std::uint64_t packets, bool measured) {
    ::alarm(kAlarmSeconds);
    for (std::uint64_t sent = 0; sent < packets; sent += kRound) {
      for (std::size_t slot = 0; slot < kRound; ++slot) {
        renumber(sender_.frame(slot), account.taken() + slot);
      }
      if (measured) count_mark<kMarkBegin>();
      for (std::uint64_t i = 0; i < kRound; i += burst_) {
        sender_.emit(burst_);
        receive(receiver, account, account.taken() + burst_);
      }
      if (measured) count_mark<kMarkEnd>();
    }
    ::alarm(0);
  }

 private:
  void receive(Receiver& receiver, Account& account, std::uint64_t until) {
    for (unsigned empty = 0; account.taken() < until;) {
      if (receiver.receive(account) == 0 && (alarmed != 0 || ++empty == kMaxEmpty)) {
        throw std::runtime_error("packet " + std::to_string(account.taken()) + " never arrived");
      }
    }
  }

  BurstSender sender_;
  std::uint64_t burst_;
};

/// Receives until all of the train is there.
void receive_train(Receiver& receiver, Account& account, PacedSender& sender, const Train& train) {
  sender.start(train);
  while (receiver.receive(account) != 0 || !sender.finished()) {
  }
  sender.stop();
}

/// A train of bursts of kPacedBurst packets, `kpps` packets a millisecond of guest time.
Train make_train(std::uint64_t packets, std::uint64_t kpps) {
  constexpr std::uint64_t kNsAMillisecond = 1'000'000;
  if (kpps == 0 || kpps > kNsAMillisecond) throw std::invalid_argument("a rate is 1 to 1000000");
  return {.packets = packets,
          .burst = kPacedBurst,
          .interval_ns = kPacedBurst * kNsAMillisecond / kpps};
}

void send_silently(PacedSender& sender, const Train& train) {
  sender.start(train);
  while (!sender.finished()) ::pause();
  sender.stop();
}

int report(const Account& account, std::uint64_t warm_up, const Job& job, bool may_lose) {
  const std::uint64_t delivered = account.taken() - warm_up;
  say("offered " + std::to_string(job.packets) + " delivered " + std::to_string(delivered) + "\n");
  wait_for_host();
  if (account.wrong() != 0) {
    throw std::runtime_error(std::to_string(account.wrong()) + " packets were wrong");
  }
  if (delivered > job.packets || (delivered < job.packets && !may_lose)) {
    throw std::runtime_error("of " + std::to_string(job.packets) + " packets " +
                             std::to_string(delivered) + " were delivered");
  }
  return EXIT_SUCCESS;
}

int run_lockstep(const ReceiverKind& kind, const Job& job) {
  Lockstep lockstep(job);
  const auto receiver = make_receiver(kind, job.card);
  Account account(job.bytes);
  lockstep.run(*receiver, account, kWarmUp, false);
  start_measuring();
  lockstep.run(*receiver, account, job.packets, true);
  return report(account, kWarmUp, job, false);
}

int run_train(const ReceiverKind& kind, const Job& job, bool loss) {
  PacedSender sender(job.sender, job.bytes, job.frames);
  const auto receiver = make_receiver(kind, job.card);
  Account account(job.bytes);
  Train train = make_train(kWarmUp, kWarmUpKpps);
  receive_train(*receiver, account, sender, train);
  const std::uint64_t warm_up = account.taken();
  if (warm_up != kWarmUp)
    throw std::runtime_error("of " + std::to_string(kWarmUp) + " packets to warm up " +
                             std::to_string(warm_up) + " arrived, " +
                             std::to_string(account.wrong()) + " wrong");
  train = make_train(job.packets, job.burst_or_kpps);
  if (!loss) {
    train.marks = Train::Marks::sender_alone;
    send_silently(sender, train);
    train.marks = Train::Marks::measured;
  }
  start_measuring();
  receive_train(*receiver, account, sender, train);
  return report(account, warm_up, job, loss);
}

int usage(const char* program, std::span<const ReceiverKind> kinds) {
  std::fprintf(stderr,
               "usage: %s RECEIVER CARD SENDER plain|udp BYTES PACKETS lockstep BURST\n"
               "       %s RECEIVER CARD SENDER plain|udp BYTES PACKETS paced|loss KPPS\n"
               "receivers:",
               program, program);
  for (const auto& kind : kinds) std::fprintf(stderr, " %s", kind.name);
  std::fprintf(stderr, "\n");
  return 2;
}

std::uint64_t number(const char* text) {
  return std::strtoull(text, nullptr, 10);
}

std::optional<Job> parse(char** argv) {
  const std::string_view frames = argv[4];
  if (frames != "plain" && frames != "udp") return {};
  Job job{.card = argv[2],
          .sender = argv[3],
          .frames = frames == "udp" ? FrameKind::udp : FrameKind::plain,
          .bytes = number(argv[5]),
          .packets = number(argv[6]),
          .pattern = argv[7],
          .burst_or_kpps = number(argv[8])};
  const bool lockstep = job.pattern == "lockstep";
  if (!lockstep && job.pattern != "loss" && job.pattern != "paced") return {};
  if (job.bytes < kSummedBytes || job.bytes > kLargestFrame) return {};
  if (job.packets == 0 || (lockstep && job.packets % kRound != 0)) return {};
  return job;
}

}  // namespace

int run_receivers(int argc, char** argv, std::span<const ReceiverKind> kinds) {
  constexpr int kArguments = 9;
  const auto job = argc == kArguments ? parse(argv) : std::nullopt;
  const auto kind = std::find_if(kinds.begin(), kinds.end(), [&](const ReceiverKind& each) {
    return argc > 1 && std::string_view(argv[1]) == each.name;
  });
  if (!job || kind == kinds.end()) return usage(argv[0], kinds);
  return user::run_program(argv[0], [&] {
    return job->pattern == "lockstep" ? run_lockstep(*kind, *job)
                                      : run_train(*kind, *job, job->pattern == "loss");
  });
}

}  // namespace zcl::rx
