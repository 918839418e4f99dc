// SPDX-License-Identifier: MIT
#include "harness/lab/check_runs.hh"

#include <algorithm>
#include <optional>

#include "harness/base/error.hh"
#include "harness/lab/failure_text.hh"
#include "harness/lab/run.hh"
#include "harness/report/json.hh"
#include "harness/report/text.hh"

namespace zcl::lab {

namespace {

using report::CheckResult;
using report::CheckStatus;

CheckResult blank_result(const Check& check) {
  return {.id = check.id,
          .title = check.title,
          .status = CheckStatus::skipped,
          .points = 0,
          .max_points = check.points,
          .evidence = check.evidence,
          .message = {}};
}

void fail(CheckResult& result, const Check& check, const std::string& message) {
  result.status = CheckStatus::failed;
  result.points = 0;
  result.message = report::printable(message) + "\nHint: " + check.hint;
}

void blame_environment(CheckResult& result, const std::string& message) {
  result.status = CheckStatus::environment;
  result.points = 0;
  result.message = report::printable(message);
}

/// One check with one seed, in this process.
CheckResult run_once(const BuiltLab& built, const Check& check, const RunOptions& options) {
  CheckResult result = blank_result(check);
  try {
    CheckContext context(built, check, options);
    const auto& procedures = procedures_of(built.lab.id);
    procedures.checks.at(check.id)(context);
    result.status = CheckStatus::passed;
    result.points = check.points;
    result.message = report::printable(context.observation());
  } catch (...) {
    const auto failure = classify_current_exception(built);
    if (failure.environment) {
      blame_environment(result, failure.message);
    } else {
      fail(result, check, failure.message);
    }
  }
  return result;
}

/// As many runs as asked for, each with its own seed, until one does not pass.
CheckResult run_repeatedly(const BuiltLab& built, const Check& check, RunOptions options) {
  const unsigned runs = std::max(options.repeat, 1U);
  CheckResult result;
  for (unsigned run = 1; run <= runs; ++run, ++options.seed) {
    result = run_once(built, check, options);
    if (runs > 1 && result.status != CheckStatus::passed) {
      result.message = "In run " + std::to_string(run) + " of " + std::to_string(runs) + " (seed " +
                       std::to_string(options.seed) + "): " + result.message;
      break;
    }
  }
  return result;
}

CheckResult result_of(const JobOutcome& outcome, const Check& check) {
  if (outcome.end == JobOutcome::End::finished) return report::check_from_json(outcome.value);
  CheckResult result = blank_result(check);
  if (outcome.end == JobOutcome::End::timed_out) {
    fail(result, check, outcome.message);
  } else {
    blame_environment(result, "The harness failed in this check: " + outcome.message);
  }
  return result;
}

}  // namespace

CheckRuns::CheckRuns(const BuiltLab& built, const RunOptions& options, base::Progress& progress,
                     const std::vector<std::string>& only)
    : built_(built), options_(options), progress_(progress) {
  const std::size_t count = built.lab.checks.size();
  results_.resize(count);
  wanted_.resize(count, only.empty());
  started_.resize(count, false);
  for (const auto& id : only) want(id);
}

std::vector<std::size_t> CheckRuns::ready() {
  std::vector<std::size_t> numbers;
  const auto& checks = built_.lab.checks;
  for (std::size_t i = 0; i < checks.size(); ++i) {
    if (!wanted_[i] || started_[i]) continue;
    if (auto reason = why_not(checks[i])) {
      started_[i] = true;
      results_[i] = std::move(*reason);
      progress_.advance(checks[i].id + " not run");
    } else if (needs_passed(checks[i])) {
      numbers.push_back(i);
    }
  }
  return numbers;
}

Job CheckRuns::job(std::size_t number) {
  const Check& check = built_.lab.checks[number];
  return {
      .name = "check " + check.id,
      .time_limit = check.time_limit * std::max(options_.repeat, 1U),
      .alone = options_.mode == vm::Mode::speed,
      .work = [this, &check] { return report::to_json(run_repeatedly(built_, check, options_)); }};
}

void CheckRuns::started(std::size_t number) {
  started_[number] = true;
  const Check& check = built_.lab.checks[number];
  progress_.now(check.id + " " + check.title);
}

void CheckRuns::ended(std::size_t number, const JobOutcome& outcome) {
  const Check& check = built_.lab.checks[number];
  results_[number] = result_of(outcome, check);
  progress_.advance(check.id + " " + check.title);
}

std::vector<CheckResult> CheckRuns::results() const {
  std::vector<CheckResult> all;
  for (const auto& result : results_) {
    if (result) all.push_back(*result);
  }
  return all;
}

std::size_t CheckRuns::index_of(const std::string& id) const {
  const Lab& lab = built_.lab;
  const auto found = std::ranges::find(lab.checks, id, &Check::id);
  if (found == lab.checks.end()) {
    throw UsageError("Lab " + lab.id + " has no check \"" + id + "\". `zcl list " + lab.number +
                     "` shows what it has.");
  }
  return static_cast<std::size_t>(found - lab.checks.begin());
}

void CheckRuns::want(const std::string& id) {
  const std::size_t i = index_of(id);
  wanted_[i] = true;
  for (const auto& need : built_.lab.checks[i].needs) want(need);
}

bool CheckRuns::needs_passed(const Check& check) const {
  return std::ranges::all_of(check.needs, [&](const std::string& need) {
    const auto& result = results_[index_of(need)];
    return result && result->status == CheckStatus::passed;
  });
}

/// The result of a check that cannot run because of one that it needs.
std::optional<CheckResult> CheckRuns::why_not(const Check& check) const {
  for (const auto& need : check.needs) {
    const auto& needed = results_[index_of(need)];
    if (!needed || needed->status == CheckStatus::passed) continue;
    CheckResult result = blank_result(check);
    if (needed->status == CheckStatus::environment) {
      blame_environment(result, "It needs " + need + ", which could not be judged.");
    } else {
      result.message = "It needs " + need + ", which did not pass.";
    }
    return result;
  }
  return std::nullopt;
}

std::vector<CheckResult> run_checks(const BuiltLab& built, const RunOptions& options,
                                    base::Progress& progress,
                                    const std::vector<std::string>& only) {
  CheckRuns checks(built, options, progress, only);
  run_all({&checks}, options.jobs);
  return checks.results();
}

}  // namespace zcl::lab
