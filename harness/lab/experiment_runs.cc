// SPDX-License-Identifier: MIT
#include "harness/lab/experiment_runs.hh"

#include <algorithm>

#include "harness/base/error.hh"
#include "harness/lab/failure_text.hh"
#include "harness/lab/repetition.hh"
#include "harness/lab/run.hh"
#include "harness/report/json.hh"

namespace zcl::lab {

namespace {

using report::ExperimentResult;

/// One experiment with one seed, in this process.
ExperimentResult run_once(const BuiltLab& built, const Experiment& experiment,
                          const RunOptions& options) {
  ExperimentContext context(built, experiment, options);
  procedures_of(built.lab.id).experiments.at(experiment.id)(context);
  return context.take_result();
}

nlohmann::json run_repeatedly(const BuiltLab& built, const Experiment& experiment,
                              RunOptions options) {
  std::vector<ExperimentResult> runs;
  const unsigned count = std::max(options.repeat, 1U);
  for (unsigned run = 0; run < count; ++run, ++options.seed) {
    try {
      runs.push_back(run_once(built, experiment, options));
    } catch (...) {
      // A sentence for a person, in place of whatever was thrown.
      const std::string which = count > 1 ? " (seed " + std::to_string(options.seed) + ")" : "";
      throw EnvironmentError(classify_current_exception(built).message + which);
    }
  }
  return report::to_json(merge_runs(std::move(runs)));
}

bool measures_time(const BuiltLab& built, const Experiment& experiment, const RunOptions& options) {
  return options.mode.value_or(built.lab.machines.at(experiment.machine).mode) == vm::Mode::speed;
}

ExperimentOutcome outcome_of(const JobOutcome& job, const Experiment& experiment) {
  if (job.end == JobOutcome::End::finished) {
    return {.result = report::experiment_from_json(job.value), .error = {}};
  }
  ExperimentOutcome outcome;
  outcome.error = job.message;
  outcome.result = {.id = experiment.id,
                    .title = experiment.title,
                    .article = experiment.article,
                    .parameters = experiment.parameters,
                    .claim = {.text = experiment.claim,
                              .verdict = report::ClaimVerdict::not_testable,
                              .because = "The experiment could not be run: " + job.message}};
  return outcome;
}

}  // namespace

ExperimentRuns::ExperimentRuns(const BuiltLab& built, const std::vector<Experiment>& experiments,
                               const RunOptions& options, base::Progress& progress)
    : built_(built),
      experiments_(experiments),
      options_(options),
      progress_(progress),
      started_(experiments.size(), false),
      outcomes_(experiments.size()) {}

std::vector<std::size_t> ExperimentRuns::ready() {
  std::vector<std::size_t> numbers;
  for (std::size_t i = 0; i < experiments_.size(); ++i) {
    if (!started_[i]) numbers.push_back(i);
  }
  return numbers;
}

Job ExperimentRuns::job(std::size_t number) {
  const Experiment& experiment = experiments_[number];
  return {.name = "experiment " + experiment.id,
          .time_limit = experiment.time_limit * std::max(options_.repeat, 1U),
          .alone = measures_time(built_, experiment, options_),
          .work = [this, &experiment] { return run_repeatedly(built_, experiment, options_); }};
}

void ExperimentRuns::started(std::size_t number) {
  started_[number] = true;
  progress_.now(built_.lab.number + "/" + experiments_[number].id);
}

void ExperimentRuns::ended(std::size_t number, const JobOutcome& outcome) {
  outcomes_[number] = outcome_of(outcome, experiments_[number]);
  progress_.advance(built_.lab.number + "/" + experiments_[number].id);
}

std::vector<ExperimentOutcome> run_experiments(const BuiltLab& built,
                                               const std::vector<Experiment>& experiments,
                                               const RunOptions& options,
                                               base::Progress& progress) {
  ExperimentRuns runs(built, experiments, options, progress);
  run_all({&runs}, options.jobs);
  return runs.outcomes();
}

ExperimentResult run_experiment(const BuiltLab& built, const Experiment& experiment,
                                const RunOptions& options) {
  base::Progress progress(built.lab.id, 1, true);
  auto outcome = run_experiments(built, {experiment}, options, progress).front();
  if (!outcome.error.empty()) {
    throw EnvironmentError("Experiment " + built.lab.number + "/" + experiment.id +
                           " could not be run: " + outcome.error);
  }
  return std::move(outcome.result);
}

}  // namespace zcl::lab
