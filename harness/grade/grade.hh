// SPDX-License-Identifier: MIT
// Grading one submission.
#pragma once

#include <filesystem>

#include "harness/lab/run.hh"

namespace zcl::grade {

struct Grade {
  std::vector<report::CheckResult> checks;
  unsigned points = 0;
  unsigned max_points = 0;
  std::string build_error;  ///< empty when the submission was built
};

/// Takes the lab's student files from `submission` (regular files only, size limits, no links),
/// builds them over our tree, runs every check. Throws UsageError where the directory or a file is
/// missing or of the wrong kind. The reference solution runs first as control when `with_control`;
/// if it fails, every check is `environment`.
Grade grade_submission(const lab::Lab& lab, const std::filesystem::path& submission,
                       const lab::RunOptions& options, base::Progress& progress,
                       bool with_control = true);

/// A mutant: a known mistake in the solution, and the checks it must lose.
/// labs/NN/mutants/NAME.patch: a unified diff against the lab's folder, after header lines
/// "Mistake: …" and "Loses: 01.alloc, 01.find".
struct Mutant {
  std::string name;
  std::string mistake;
  std::vector<std::string> loses;  ///< checks that fail (those that need them are skipped)
  std::filesystem::path patch;
};
std::vector<Mutant> load_mutants(const lab::Lab& lab);

}  // namespace zcl::grade
