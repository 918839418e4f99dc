// SPDX-License-Identifier: MIT
#include "harness/vm/signal_cleanup.hh"

#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>

namespace zcl::vm {

namespace {

constexpr std::size_t kMaxChildren = 64;
// Read by a signal handler, hence lock-free and static.
std::array<std::atomic<pid_t>, kMaxChildren> children;
static_assert(std::atomic<pid_t>::is_always_lock_free);

constexpr std::array kEndingSignals = {SIGHUP,  SIGINT,  SIGQUIT, SIGTERM, SIGABRT,  SIGALRM,
                                       SIGUSR1, SIGUSR2, SIGXCPU, SIGXFSZ, SIGVTALRM};

void end_children(int number) {
  const int saved_errno = errno;
  for (auto& child : children) {
    if (const pid_t pid = child.load(); pid > 0) ::kill(pid, SIGKILL);
  }
  for (auto& child : children) {
    // Another thread may have waited for it already; then this fails with ECHILD.
    if (const pid_t pid = child.load(); pid > 0) {
      while (::waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
      }
    }
  }
  errno = saved_errno;
  ::raise(number);  // SA_RESETHAND restored the default action; it acts when we return
}

}  // namespace

void clean_up_on_signals() {
  for (const int number : kEndingSignals) {
    struct sigaction current {};
    if (::sigaction(number, nullptr, &current) < 0 || current.sa_handler == SIG_IGN) continue;
    struct sigaction action {};
    action.sa_handler = end_children;
    ::sigfillset(&action.sa_mask);
    action.sa_flags = static_cast<int>(SA_RESETHAND);
    ::sigaction(number, &action, nullptr);
  }
}

void remember_child(pid_t child) {
  for (auto& slot : children) {
    pid_t free_slot = 0;
    if (slot.compare_exchange_strong(free_slot, child)) return;
  }
}

void forget_child(pid_t child) {
  for (auto& slot : children) {
    pid_t expected = child;
    if (slot.compare_exchange_strong(expected, 0)) return;
  }
}

}  // namespace zcl::vm
