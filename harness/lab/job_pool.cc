// SPDX-License-Identifier: MIT
#include "harness/lab/job_pool.hh"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <exception>

#include "harness/report/text.hh"
#include "harness/vm/signal_cleanup.hh"

namespace zcl::lab {

namespace {

using nlohmann::json;

/// What a child has to end its machines after SIGTERM.
constexpr std::chrono::seconds kGrace{10};

constexpr std::size_t kReadChunk = 65536;

json encode_outcome(const Job& job) {
  try {
    return {{"value", job.work()}};
  } catch (const std::exception& error) {
    return {{"error", report::printable(error.what())}};
  }
}

/// The child's whole life.
[[noreturn]] void run_child(const Job& job, int result) {
  const auto bytes = json::to_cbor(encode_outcome(job));
  std::size_t written = 0;
  while (written < bytes.size()) {
    const ssize_t put = ::write(result, bytes.data() + written, bytes.size() - written);
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) break;  // the parent is gone
    written += static_cast<std::size_t>(put);
  }
  ::_exit(0);  // the parent's objects are the parent's to destroy
}

/// Waits until `child` has ended or the deadline passes.
bool reap(pid_t child, int& status, const base::Deadline& deadline) {
  const timespec pause{.tv_sec = 0, .tv_nsec = 5'000'000};
  for (;;) {
    const pid_t got = ::waitpid(child, &status, WNOHANG);
    if (got == child || (got < 0 && errno == ECHILD)) return true;
    if (deadline.passed()) return false;
    ::nanosleep(&pause, nullptr);
  }
}

/// Lets the child clean up, then ends it for good.
int end_child(pid_t child) {
  int status = 0;
  vm::forget_child(child);
  ::kill(child, SIGTERM);
  if (!reap(child, status, base::Deadline("a job's clean-up", kGrace))) {
    ::kill(child, SIGKILL);
    ::waitpid(child, &status, 0);
  }
  return status;
}

}  // namespace

JobPool::JobPool(unsigned parallel) : parallel_(std::max(parallel, 1U)) {}

JobPool::~JobPool() {
  for (auto& running : running_) end_child(running.child);
}

bool JobPool::has_room_for(const Job& job) const {
  if (running_.empty()) return true;
  const bool one_is_alone = std::any_of(running_.begin(), running_.end(),
                                        [](const Running& running) { return running.job.alone; });
  return !job.alone && !one_is_alone && running_.size() < parallel_;
}

void JobPool::start(std::size_t key, const Job& job) {
  int ends[2];
  base::check_system_call("pipe2", ::pipe2(ends, O_CLOEXEC));
  base::FileDescriptor read_end(ends[0]);
  base::FileDescriptor write_end(ends[1]);
  const pid_t parent = ::getpid();
  const pid_t child = base::check_system_call("fork", ::fork());
  if (child == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (::getppid() != parent) ::_exit(1);
    for (const auto& sibling : running_) vm::forget_child(sibling.child);
    running_.clear();
    read_end.reset();
    run_child(job, write_end.get());
  }
  vm::remember_child(child);
  ::fcntl(read_end.get(), F_SETFL, O_NONBLOCK);
  running_.push_back({.key = key,
                      .job = job,
                      .child = child,
                      .result = std::move(read_end),
                      .received = {},
                      .deadline = base::Deadline(job.name, job.time_limit)});
}

/// Reads what the child has written; true at its end.
bool JobPool::receive(Running& running) {
  std::array<std::uint8_t, kReadChunk> chunk;
  for (;;) {
    const ssize_t got = ::read(running.result.get(), chunk.data(), chunk.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return errno != EAGAIN;
    if (got == 0) return true;
    running.received.insert(running.received.end(), chunk.begin(), chunk.begin() + got);
  }
}

JobOutcome JobPool::finish(Running& running, bool timed_out) {
  if (timed_out) {
    end_child(running.child);
    return {.end = JobOutcome::End::timed_out,
            .message = "It did not end within its time limit of " +
                       std::to_string(running.job.time_limit.count()) + " seconds."};
  }
  int status = 0;
  if (!reap(running.child, status, base::Deadline("a job's end", kGrace))) {
    status = end_child(running.child);
  }
  vm::forget_child(running.child);
  const json outcome = json::from_cbor(running.received, true, false);
  if (outcome.is_object() && outcome.contains("value")) {
    return {.end = JobOutcome::End::finished, .value = outcome.at("value")};
  }
  if (outcome.is_object() && outcome.contains("error")) {
    return {.end = JobOutcome::End::threw, .message = outcome.at("error").get<std::string>()};
  }
  return {.end = JobOutcome::End::crashed,
          .message = WIFSIGNALED(status) ? "Signal " + std::to_string(WTERMSIG(status)) + " (" +
                                               ::strsignal(WTERMSIG(status)) + ") ended it."
                                         : "It ended without a result."};
}

std::pair<std::size_t, JobOutcome> JobPool::wait() {
  if (running_.empty()) throw std::logic_error("no job runs");
  for (;;) {
    std::vector<pollfd> waits;
    int timeout = running_.front().deadline.poll_timeout();
    for (const auto& running : running_) {
      waits.push_back({running.result.get(), POLLIN, 0});
      timeout = std::min(timeout, running.deadline.poll_timeout());
    }
    ::poll(waits.data(), waits.size(), timeout);
    for (auto running = running_.begin(); running != running_.end(); ++running) {
      const bool ended = receive(*running);
      if (!ended && !running->deadline.passed()) continue;
      auto result = std::make_pair(running->key, finish(*running, !ended));
      running_.erase(running);
      return result;
    }
  }
}

}  // namespace zcl::lab
