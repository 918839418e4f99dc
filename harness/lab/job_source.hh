// SPDX-License-Identifier: MIT
// Where jobs come from while a pool runs them.
#pragma once

#include <optional>
#include <vector>

#include "harness/lab/job_pool.hh"

namespace zcl::lab {

/// Jobs of which some can begin only after others have ended.
class JobSource {
 public:
  virtual ~JobSource() = default;
  /// Numbers of the jobs that could be started now, the most wanted first.
  virtual std::vector<std::size_t> ready() = 0;
  virtual Job job(std::size_t number) = 0;
  virtual void started(std::size_t number) = 0;
  virtual void ended(std::size_t number, const JobOutcome& outcome) = 0;
};

/// Runs the jobs of all sources to their ends, at most `parallel` at once; the first source's
/// first. A job that must run alone waits until nothing else can run.
void run_all(const std::vector<JobSource*>& sources, unsigned parallel);

}  // namespace zcl::lab
