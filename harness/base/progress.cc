// SPDX-License-Identifier: MIT
#include "harness/base/progress.hh"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

namespace zcl::base {

namespace {

constexpr std::size_t kBarWidth = 20;

std::size_t terminal_width() {
  winsize size{};
  if (::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
  return 80;
}

}  // namespace

Progress::Progress(std::string title, std::size_t steps, bool quiet)
    : title_(std::move(title)),
      steps_(std::max<std::size_t>(steps, 1)),
      quiet_(quiet),
      terminal_(::isatty(STDERR_FILENO) == 1) {}

Progress::~Progress() {
  if (!quiet_ && terminal_) std::fputs("\r\033[K", stderr);
}

void Progress::now(const std::string& what) {
  const std::lock_guard lock(mutex_);
  if (!quiet_ && terminal_) draw(what);
}

void Progress::advance(const std::string& what) {
  const std::lock_guard lock(mutex_);
  done_ = std::min(done_ + 1, steps_);
  if (quiet_) return;
  if (terminal_) {
    draw(what);
  } else {
    std::fprintf(stderr, "%s [%zu/%zu] %s\n", title_.c_str(), done_, steps_, what.c_str());
  }
}

void Progress::draw(const std::string& what) {
  const std::size_t filled = kBarWidth * done_ / steps_;
  std::string line = title_ + " [" + std::string(filled, '#') +
                     std::string(kBarWidth - filled, '.') + "] " + std::to_string(done_) + "/" +
                     std::to_string(steps_) + " " + what;
  line.resize(std::min(line.size(), terminal_width() - 1));
  std::fprintf(stderr, "\r\033[K%s", line.c_str());
  std::fflush(stderr);
}

}  // namespace zcl::base
