// SPDX-License-Identifier: MIT
// Work done in child processes: a job that hangs is ended at its time limit, and one that crashes
// takes nothing down with it.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "harness/base/deadline.hh"
#include "harness/base/file_descriptor.hh"

namespace zcl::lab {

struct Job {
  std::string name;
  std::chrono::seconds time_limit{60};
  bool alone = false;                    ///< measures time: nothing else may run beside it
  std::function<nlohmann::json()> work;  ///< runs in the child; may throw
};

struct JobOutcome {
  enum class End {
    finished,   ///< `value` is what the work returned
    threw,      ///< `message` is the exception's
    timed_out,  ///< it did not end within its time limit
    crashed,    ///< a signal ended it
  };
  End end = End::crashed;
  nlohmann::json value;
  std::string message;
};

/// Runs jobs, at most `parallel` at once. For a process with one thread: it forks.
class JobPool {
 public:
  explicit JobPool(unsigned parallel);
  /// Ends what still runs.
  ~JobPool();
  JobPool(const JobPool&) = delete;
  JobPool& operator=(const JobPool&) = delete;

  /// Whether `job` may be started now.
  [[nodiscard]] bool has_room_for(const Job& job) const;
  [[nodiscard]] bool idle() const { return running_.empty(); }
  /// `key` tells the job in wait()'s answer.
  void start(std::size_t key, const Job& job);
  /// Waits for the next job to end. Throws std::logic_error when none runs.
  std::pair<std::size_t, JobOutcome> wait();

 private:
  struct Running {
    std::size_t key;
    Job job;
    pid_t child;
    base::FileDescriptor result;  ///< what the child writes before it ends
    base::Bytes received;
    base::Deadline deadline;
  };

  bool receive(Running& running);
  JobOutcome finish(Running& running, bool timed_out);

  unsigned parallel_;
  std::vector<Running> running_;
};

}  // namespace zcl::lab
