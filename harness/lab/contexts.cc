// SPDX-License-Identifier: MIT
// Contexts of procedures: what needs no machine. (machine_context.cc has the rest.)
#include <cmath>
#include <map>

#include "harness/base/error.hh"
#include "harness/lab/procedure.hh"
#include "harness/report/text.hh"

namespace zcl::lab {

namespace {

std::string text_of(vm::Mode mode) {
  return mode == vm::Mode::count ? "count" : "speed";
}

/// The most of a program's output that a report keeps.
constexpr std::size_t kTranscriptLimit = 64U << 10;

std::map<std::string, const Procedures*>& registry() {
  static std::map<std::string, const Procedures*> procedures;
  return procedures;
}

}  // namespace

Context::Context(const BuiltLab& built, const RunOptions& options, const std::string& purpose)
    : built_(built),
      options_(options),
      random_(options.seed, built.lab.id + "/" + purpose),
      mode_(options.mode.value_or(vm::Mode::count)) {}

ExperimentContext::ExperimentContext(const BuiltLab& built, const Experiment& experiment,
                                     const RunOptions& options)
    : Context(built, options, experiment.id), experiment_(experiment) {
  result_.id = experiment.id;
  result_.title = experiment.title;
  result_.article = experiment.article;
  result_.parameters = experiment.parameters;
  result_.claim.text = experiment.claim;
  const auto machine = built.lab.machines.find(experiment.machine);
  if (!options.mode && machine != built.lab.machines.end()) mode_ = machine->second.mode;
}

void ExperimentContext::metric(const std::string& name, double value,
                               const std::map<std::string, std::string>& labels) {
  metric(name, value, labels, {}, std::nullopt);
}

void ExperimentContext::metric(const std::string& name, double value,
                               const std::map<std::string, std::string>& labels,
                               std::vector<double> samples,
                               std::optional<std::pair<double, double>> interval) {
  const auto* known = report::find_metric_name(name);
  if (known == nullptr) throw std::logic_error("not in the vocabulary of metrics: " + name);
  if (!std::isfinite(value)) throw std::logic_error("not a finite figure: " + name);
  result_.metrics.push_back({.name = name,
                             .unit = known->unit,
                             .value = value,
                             .mode = text_of(mode_),
                             .labels = labels,
                             .samples = std::move(samples),
                             .interval = interval});
}

void ExperimentContext::series(report::Series series) {
  result_.series.push_back(std::move(series));
}

void ExperimentContext::figure(std::string svg) {
  result_.figures.push_back(std::move(svg));
}

void ExperimentContext::transcript(std::string text) {
  if (text.size() > kTranscriptLimit) {
    text.resize(kTranscriptLimit);
    text += "\n[…]";
  }
  result_.transcript = report::printable(text);
}

void ExperimentContext::verdict(report::ClaimVerdict verdict, const std::string& because) {
  if (judged_) throw std::logic_error("a second verdict on " + experiment_.id);
  judged_ = true;
  result_.claim.verdict = verdict;
  result_.claim.because = report::printable(because);
}

report::ExperimentResult ExperimentContext::take_result() {
  if (!judged_) throw std::logic_error("no verdict on the claim of " + experiment_.id);
  return std::move(result_);
}

CheckContext::CheckContext(const BuiltLab& built, const Check& check, const RunOptions& options)
    : Context(built, options, check.id), check_(check) {}

void CheckContext::require(bool condition, const std::string& otherwise) {
  if (!condition) throw CheckFailed(otherwise);
}

Procedures::Procedures(std::string lab_id_, std::map<std::string, ExperimentFunction> experiments_,
                       std::map<std::string, CheckFunction> checks_)
    : lab_id(std::move(lab_id_)), experiments(std::move(experiments_)), checks(std::move(checks_)) {
  if (!registry().emplace(lab_id, this).second) {
    throw std::logic_error("procedures of " + lab_id + " defined twice");
  }
}

const Procedures& procedures_of(const std::string& lab_id) {
  const auto found = registry().find(lab_id);
  if (found == registry().end()) {
    throw EnvironmentError("This zcl was built without labs/" + lab_id +
                           "/host. Build it again (`make build`).");
  }
  return *found->second;
}

}  // namespace zcl::lab
