// SPDX-License-Identifier: MIT
// Grading one submission.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "harness/lab/run.hh"

namespace zcl::grade {

enum class Control { run, skip };          ///< the reference solution, graded beside the submission
enum class Confinement { sandbox, none };  ///< where the submission is compiled

struct Grade {
  std::vector<report::CheckResult> checks;
  unsigned points = 0;
  unsigned max_points = 0;
  std::string build_error;  ///< the compiler's output; empty when the submission was built
};

/// Sums points into `points` and `max_points`.
Grade make_grade(std::vector<report::CheckResult> checks);

/// Takes the lab's student files from `submission`, builds them over our tree, runs every check on
/// a machine of its own. A submission that does not compile fails every check. With Control::run
/// the reference solution is graded on the same machine first; if it loses a check, every check of
/// the submission is `environment`, never a zero. Throws UsageError where the submission lacks a
/// file or has one of the wrong kind; EnvironmentError where a sandbox is asked for and none works.
Grade grade_submission(const lab::Lab& lab, const std::filesystem::path& submission,
                       const lab::RunOptions& options, base::Progress& progress,
                       Control control = Control::run,
                       Confinement confinement = Confinement::sandbox,
                       const std::vector<std::string>& only = {});

}  // namespace zcl::grade
