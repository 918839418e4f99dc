// SPDX-License-Identifier: MIT
#include "harness/lab/session.hh"

#include <algorithm>
#include <memory>
#include <optional>

#include "harness/base/error.hh"
#include "harness/lab/check_runs.hh"
#include "harness/lab/experiment_runs.hh"

namespace zcl::lab {

namespace {

template <typename Item>
const Item* find_id(const std::vector<Item>& items, const std::string& id) {
  const auto found =
      std::find_if(items.begin(), items.end(), [&](const Item& item) { return item.id == id; });
  return found == items.end() ? nullptr : &*found;
}

template <typename Item>
std::string ids_of(const std::vector<Item>& items) {
  std::string list;
  for (const auto& item : items) list += (list.empty() ? "" : ", ") + item.id;
  return list.empty() ? "none" : list;
}

/// The selection of `lab` among `selections`, added empty where there is none yet.
Selection& selection_of(std::vector<Selection>& selections, Lab lab) {
  for (auto& selection : selections) {
    if (selection.lab.id == lab.id) return selection;
  }
  return selections.emplace_back(Selection{.lab = std::move(lab), .experiments = {}, .checks = {}});
}

void add_experiment(Selection& selection, const Experiment& experiment) {
  if (find_id(selection.experiments, experiment.id) == nullptr) {
    selection.experiments.push_back(experiment);
  }
}

void add_check(Selection& selection, const std::string& id) {
  if (std::ranges::find(selection.checks, id) == selection.checks.end()) {
    selection.checks.push_back(id);
  }
}

void add_part(Selection& selection, const std::string& part) {
  const Lab& lab = selection.lab;
  if (const auto* experiment = find_id(lab.experiments, part)) {
    add_experiment(selection, *experiment);
  } else if (find_id(lab.checks, part) != nullptr) {
    add_check(selection, part);
  } else {
    throw UsageError("Lab " + lab.id + " has no experiment or check \"" + part +
                     "\". Its experiments: " + ids_of(lab.experiments) +
                     ". Its checks: " + ids_of(lab.checks) + ".");
  }
}

void add_all(Selection& selection, Profile profile) {
  for (const auto& experiment : selection.lab.experiments) {
    if (experiment.quick || profile == Profile::full) add_experiment(selection, experiment);
  }
  for (const auto& check : selection.lab.checks) add_check(selection, check.id);
}

std::size_t count_steps(const std::vector<Selection>& selections) {
  std::size_t steps = 0;
  for (const auto& selection : selections) {
    steps += 1 + selection.checks.size() + selection.experiments.size();
  }
  return steps;
}

/// All that runs of one lab.
struct LabRuns {
  LabRuns(const BuiltLab& built, const Selection& selection, const RunOptions& options,
          base::Progress& progress)
      : experiments(built, selection.experiments, options, progress) {
    if (!selection.checks.empty()) checks.emplace(built, options, progress, selection.checks);
  }
  std::optional<CheckRuns> checks;
  ExperimentRuns experiments;
};

void add_lab(SessionResult& result, const Lab& lab, const LabRuns& runs) {
  report::LabReport report{.id = lab.id, .title = lab.title, .checks = {}, .experiments = {}};
  if (runs.checks) report.checks = runs.checks->results();
  for (const auto& outcome : runs.experiments.outcomes()) {
    if (!outcome.error.empty()) {
      result.errors.push_back(lab.number + "/" + outcome.result.id +
                              " could not be run: " + outcome.error);
    }
    report.experiments.push_back(outcome.result);
  }
  result.report.labs.push_back(std::move(report));
}

}  // namespace

Selection select_all(Lab lab, Profile profile) {
  Selection selection{.lab = std::move(lab), .experiments = {}, .checks = {}};
  add_all(selection, profile);
  return selection;
}

std::vector<Selection> select_targets(const std::vector<std::string>& targets, Profile profile) {
  std::vector<Selection> selections;
  for (const auto& target : targets) {
    const auto slash = target.find('/');
    Selection& selection = selection_of(selections, find_lab(target.substr(0, slash)));
    if (slash == std::string::npos) {
      add_all(selection, profile);
    } else {
      add_part(selection, target.substr(slash + 1));
    }
  }
  if (targets.empty()) {
    for (auto& lab : load_all_labs()) selections.push_back(select_all(std::move(lab), profile));
  }
  if (selections.empty()) throw UsageError("There are no labs to run.");
  return selections;
}

SessionResult run_session(const std::vector<Selection>& selections, const RunOptions& options) {
  SessionResult result;
  result.report.seed = options.seed;
  result.report.environment = describe_environment(options);
  base::Progress progress("zcl", count_steps(selections));
  std::vector<std::unique_ptr<LabRuns>> labs;
  std::vector<JobSource*> sources;
  for (const auto& selection : selections) {
    progress.now(selection.lab.number + " building");
    const BuiltLab& built = built_solution(selection.lab, options.kernel);
    progress.advance(selection.lab.number + " built");
    labs.push_back(std::make_unique<LabRuns>(built, selection, options, progress));
    if (labs.back()->checks) sources.push_back(&*labs.back()->checks);
    sources.push_back(&labs.back()->experiments);
  }
  run_all(sources, options.jobs);
  for (std::size_t i = 0; i < selections.size(); ++i) {
    add_lab(result, selections[i].lab, *labs[i]);
  }
  return result;
}

}  // namespace zcl::lab
