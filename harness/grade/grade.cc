// SPDX-License-Identifier: MIT
#include "harness/grade/grade.hh"

#include <algorithm>

#include "harness/base/error.hh"
#include "harness/base/paths.hh"
#include "harness/base/work_directory.hh"
#include "harness/grade/sandbox.hh"
#include "harness/grade/submission.hh"

namespace zcl::grade {

namespace fs = std::filesystem;

namespace {

bool selected(const lab::Check& check, const std::vector<std::string>& only) {
  return only.empty() || std::ranges::count(only, check.id) > 0;
}

/// Every selected check of the lab with the same status and message.
std::vector<report::CheckResult> all_checks(const lab::Lab& lab,
                                            const std::vector<std::string>& only,
                                            report::CheckStatus status,
                                            const std::string& message) {
  std::vector<report::CheckResult> results;
  for (const auto& check : lab.checks) {
    if (!selected(check, only)) continue;
    results.push_back({.id = check.id,
                       .title = check.title,
                       .status = status,
                       .points = 0,
                       .max_points = check.points,
                       .evidence = check.evidence,
                       .message = message});
  }
  return results;
}

/// Empty when the reference solution passes every check here; else what it loses.
std::string control_failure(const lab::Lab& lab, const lab::RunOptions& options,
                            base::Progress& progress, const std::vector<std::string>& only) {
  progress.now("control: the reference solution");
  for (const auto& check :
       lab::run_checks(lab::built_solution(lab, options.kernel), options, progress, only)) {
    if (check.status != report::CheckStatus::passed) {
      return "The reference solution does not pass " + check.id + " on this machine (" +
             check.message + "), so nothing can be said of the submission.";
    }
  }
  return {};
}

/// Throws UsageError for an id that the lab does not have.
void expect_known(const lab::Lab& lab, const std::vector<std::string>& ids) {
  for (const auto& id : ids) {
    if (std::ranges::none_of(lab.checks, [&](const auto& check) { return check.id == id; })) {
      throw UsageError("Lab " + lab.id + " has no check \"" + id + "\"; `zcl list` shows them.");
    }
  }
}

lab::CommandRunner runner_for(Confinement confinement, const fs::path& tree) {
  if (confinement == Confinement::none) return {};
  const std::string problem = why_no_sandbox();
  if (!problem.empty()) {
    throw EnvironmentError(
        "A submission is compiled in a sandbox, and none works here: " + problem +
        ". Install bubblewrap where it may make user namespaces; or, for sources you trust, use "
        "--no-sandbox.");
  }
  return sandboxed(tree);
}

}  // namespace

Grade make_grade(std::vector<report::CheckResult> checks) {
  Grade grade;
  for (const auto& check : checks) {
    grade.points += check.points;
    grade.max_points += check.max_points;
  }
  grade.checks = std::move(checks);
  return grade;
}

Grade grade_submission(const lab::Lab& lab, const fs::path& submission,
                       const lab::RunOptions& options, base::Progress& progress, Control control,
                       Confinement confinement, const std::vector<std::string>& only) {
  expect_known(lab, only);
  const base::WorkDirectory work(base::build_root() / "grade");
  const fs::path overlay = work.path() / "submission";
  const fs::path tree = work.path() / "tree";
  take_submission(lab, submission, overlay);
  lab::stage(lab, tree, overlay);
  const auto runner = runner_for(confinement, tree);

  if (control == Control::run) {
    const std::string failure = control_failure(lab, options, progress, only);
    if (!failure.empty()) {
      return make_grade(all_checks(lab, only, report::CheckStatus::environment, failure));
    }
  }
  progress.now("building the submission");
  try {
    const auto built = lab::build(lab, tree, options.kernel, runner);
    return make_grade(lab::run_checks(built, options, progress, only));
  } catch (const lab::BuildFailed& failure) {
    Grade grade = make_grade(
        all_checks(lab, only, report::CheckStatus::failed, "The submission does not compile."));
    grade.build_error = failure.what();
    return grade;
  }
}

}  // namespace zcl::grade
