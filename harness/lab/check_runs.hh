// SPDX-License-Identifier: MIT
// The checks of a lab as jobs.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "harness/base/progress.hh"
#include "harness/lab/job_source.hh"
#include "harness/lab/run.hh"

namespace zcl::lab {

/// The checks of a run and how far each has got. Keeps references to its arguments.
class CheckRuns : public JobSource {
 public:
  /// `only`: ids to run, with what they need; empty: all. Throws UsageError for an unknown id.
  CheckRuns(const BuiltLab& built, const RunOptions& options, base::Progress& progress,
            const std::vector<std::string>& only);

  /// Those whose needs have passed. Those that cannot run any more are skipped on the way.
  std::vector<std::size_t> ready() override;
  Job job(std::size_t number) override;
  void started(std::size_t number) override;
  void ended(std::size_t number, const JobOutcome& outcome) override;

  /// In the declaration's order.
  [[nodiscard]] std::vector<report::CheckResult> results() const;

 private:
  [[nodiscard]] std::size_t index_of(const std::string& id) const;
  void want(const std::string& id);
  [[nodiscard]] bool needs_passed(const Check& check) const;
  [[nodiscard]] std::optional<report::CheckResult> why_not(const Check& check) const;

  const BuiltLab& built_;
  const RunOptions& options_;
  base::Progress& progress_;
  std::vector<std::optional<report::CheckResult>> results_;
  std::vector<bool> wanted_;
  std::vector<bool> started_;
};

}  // namespace zcl::lab
