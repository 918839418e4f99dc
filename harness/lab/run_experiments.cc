// SPDX-License-Identifier: MIT
#include <algorithm>

#include "harness/base/error.hh"
#include "harness/lab/failure_text.hh"
#include "harness/lab/job_pool.hh"
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

std::vector<ExperimentOutcome> run_experiments(const BuiltLab& built,
                                               const std::vector<Experiment>& experiments,
                                               const RunOptions& options,
                                               base::Progress& progress) {
  std::vector<ExperimentOutcome> outcomes(experiments.size());
  JobPool pool(options.jobs);
  std::size_t next = 0;
  while (next < experiments.size() || !pool.idle()) {
    while (next < experiments.size()) {
      const Experiment& experiment = experiments[next];
      const Job job{.name = "experiment " + experiment.id,
                    .time_limit = experiment.time_limit * std::max(options.repeat, 1U),
                    .alone = measures_time(built, experiment, options),
                    .work = [&] { return run_repeatedly(built, experiment, options); }};
      if (!pool.has_room_for(job)) break;
      progress.now(built.lab.number + "/" + experiment.id);
      pool.start(next, job);
      ++next;
    }
    const auto [ended, outcome] = pool.wait();
    outcomes[ended] = outcome_of(outcome, experiments[ended]);
    progress.advance(built.lab.number + "/" + experiments[ended].id);
  }
  return outcomes;
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
