// SPDX-License-Identifier: MIT
// Progress of long work, on standard error: a bar on a terminal, plain lines otherwise.
#pragma once

#include <cstddef>
#include <mutex>
#include <string>

namespace zcl::base {

/// Thread-safe. Nothing is printed when `quiet`.
class Progress {
 public:
  Progress(std::string title, std::size_t steps, bool quiet = false);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  /// What is being done now (shown beside the bar).
  void now(const std::string& what);
  /// One step is done.
  void advance(const std::string& what);

 private:
  void draw(const std::string& what);

  std::mutex mutex_;
  std::string title_;
  std::size_t steps_;
  std::size_t done_ = 0;
  bool quiet_;
  bool terminal_;
};

}  // namespace zcl::base
