// SPDX-License-Identifier: MIT
// Experiments of a lab as jobs.
#pragma once

#include <vector>

#include "harness/base/progress.hh"
#include "harness/lab/job_source.hh"
#include "harness/lab/run.hh"

namespace zcl::lab {

/// Keeps references to its arguments.
class ExperimentRuns : public JobSource {
 public:
  ExperimentRuns(const BuiltLab& built, const std::vector<Experiment>& experiments,
                 const RunOptions& options, base::Progress& progress);

  std::vector<std::size_t> ready() override;
  Job job(std::size_t number) override;
  void started(std::size_t number) override;
  void ended(std::size_t number, const JobOutcome& outcome) override;

  /// In the order of the experiments.
  [[nodiscard]] const std::vector<ExperimentOutcome>& outcomes() const { return outcomes_; }

 private:
  const BuiltLab& built_;
  const std::vector<Experiment>& experiments_;
  const RunOptions& options_;
  base::Progress& progress_;
  std::vector<bool> started_;
  std::vector<ExperimentOutcome> outcomes_;
};

}  // namespace zcl::lab
