// SPDX-License-Identifier: MIT
#include <algorithm>
#include <optional>
#include <set>

#include "harness/base/error.hh"
#include "harness/lab/failure_text.hh"
#include "harness/lab/job_pool.hh"
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

/// The checks of a run and how far each has got.
class Plan {
 public:
  Plan(const Lab& lab, const std::vector<std::string>& only) : lab_(lab) {
    results_.resize(lab.checks.size());
    wanted_.resize(lab.checks.size(), only.empty());
    started_.resize(lab.checks.size(), false);
    for (const auto& id : only) want(id);
  }

  /// The next check to start: all that it needs have passed. Those that cannot run any more are
  /// skipped on the way.
  std::optional<std::size_t> next(base::Progress& progress) {
    for (std::size_t i = 0; i < lab_.checks.size(); ++i) {
      if (!wanted_[i] || started_[i]) continue;
      if (const auto reason = why_not(lab_.checks[i])) {
        settle(i, *reason);
        progress.advance(lab_.checks[i].id + " not run");
      } else if (needs_passed(lab_.checks[i])) {
        return i;
      }
    }
    return std::nullopt;
  }

  void mark_started(std::size_t i) { started_[i] = true; }
  void settle(std::size_t i, CheckResult result) {
    started_[i] = true;
    results_[i] = std::move(result);
  }

  [[nodiscard]] std::size_t count() const {
    return static_cast<std::size_t>(std::count(wanted_.begin(), wanted_.end(), true));
  }
  [[nodiscard]] std::vector<CheckResult> results() const {
    std::vector<CheckResult> all;
    for (const auto& result : results_) {
      if (result) all.push_back(*result);
    }
    return all;
  }

 private:
  [[nodiscard]] std::size_t index_of(const std::string& id) const {
    const auto found = std::find_if(lab_.checks.begin(), lab_.checks.end(),
                                    [&](const Check& check) { return check.id == id; });
    if (found == lab_.checks.end()) {
      throw UsageError("Lab " + lab_.id + " has no check \"" + id + "\". `zcl list " + lab_.number +
                       "` shows what it has.");
    }
    return static_cast<std::size_t>(found - lab_.checks.begin());
  }

  void want(const std::string& id) {
    const std::size_t i = index_of(id);
    wanted_[i] = true;
    for (const auto& need : lab_.checks[i].needs) want(need);
  }

  [[nodiscard]] bool needs_passed(const Check& check) const {
    return std::all_of(check.needs.begin(), check.needs.end(), [&](const std::string& need) {
      const auto& result = results_[index_of(need)];
      return result && result->status == CheckStatus::passed;
    });
  }

  /// The result of a check that cannot run because of one that it needs.
  [[nodiscard]] std::optional<CheckResult> why_not(const Check& check) const {
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

  const Lab& lab_;
  std::vector<std::optional<CheckResult>> results_;
  std::vector<bool> wanted_;
  std::vector<bool> started_;
};

}  // namespace

std::vector<CheckResult> run_checks(const BuiltLab& built, const RunOptions& options,
                                    base::Progress& progress,
                                    const std::vector<std::string>& only) {
  const auto& checks = built.lab.checks;
  Plan plan(built.lab, only);
  JobPool pool(options.jobs);
  for (;;) {
    for (auto next = plan.next(progress); next; next = plan.next(progress)) {
      const Check& check = checks[*next];
      const unsigned runs = std::max(options.repeat, 1U);
      const Job job{.name = "check " + check.id,
                    .time_limit = check.time_limit * runs,
                    .alone = options.mode == vm::Mode::speed,
                    .work = [&] { return report::to_json(run_repeatedly(built, check, options)); }};
      if (!pool.has_room_for(job)) break;
      progress.now(check.id + " " + check.title);
      pool.start(*next, job);
      plan.mark_started(*next);
    }
    if (pool.idle()) break;
    const auto [ended, outcome] = pool.wait();
    plan.settle(ended, result_of(outcome, checks[ended]));
    progress.advance(checks[ended].id + " " + checks[ended].title);
  }
  return plan.results();
}

}  // namespace zcl::lab
