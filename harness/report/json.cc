// SPDX-License-Identifier: MIT
#include "harness/report/json.hh"

#include <cmath>
#include <fstream>
#include <stdexcept>

#include "harness/base/error.hh"
#include "harness/base/paths.hh"
#include "harness/report/json_schema.hh"

namespace zcl::report {

namespace {

using nlohmann::json;

/// The enumerator that prints as `text`. The schema has already refused any other text.
template <typename Enum>
Enum from_text(const std::string& text, std::initializer_list<Enum> all) {
  for (const Enum value : all) {
    if (to_string(value) == text) return value;
  }
  throw std::logic_error("no such value: " + text);
}

json to_json(const Claim& claim) {
  return {{"text", claim.text}, {"verdict", to_string(claim.verdict)}, {"because", claim.because}};
}

json to_json(const Metric& metric) {
  json result = {
      {"name", metric.name}, {"unit", metric.unit}, {"value", metric.value}, {"mode", metric.mode}};
  if (!metric.labels.empty()) result["labels"] = metric.labels;
  if (!metric.samples.empty()) result["samples"] = metric.samples;
  if (metric.interval) result["interval"] = {metric.interval->first, metric.interval->second};
  return result;
}

json to_json(const Series& series) {
  json result = {{"name", series.name},
                 {"x_label", series.x_label},
                 {"y_label", series.y_label},
                 {"points", series.points}};
  if (!series.labels.empty()) result["labels"] = series.labels;
  return result;
}

Metric metric_from_json(const json& from) {
  Metric metric;
  metric.name = from.at("name");
  metric.unit = from.at("unit");
  metric.value = from.at("value");
  metric.mode = from.at("mode");
  if (from.contains("labels")) metric.labels = from.at("labels");
  if (from.contains("samples")) metric.samples = from.at("samples").get<std::vector<double>>();
  if (from.contains("interval")) {
    metric.interval = {from.at("interval").at(0), from.at("interval").at(1)};
  }
  return metric;
}

Series series_from_json(const json& from) {
  Series series;
  series.name = from.at("name");
  series.x_label = from.at("x_label");
  series.y_label = from.at("y_label");
  series.points = from.at("points").get<std::vector<std::pair<double, double>>>();
  if (from.contains("labels")) series.labels = from.at("labels");
  return series;
}

LabReport lab_from_json(const json& from) {
  LabReport lab;
  lab.id = from.at("id");
  lab.title = from.at("title");
  for (const auto& check : from.at("checks")) lab.checks.push_back(check_from_json(check));
  for (const auto& experiment : from.at("experiments")) {
    lab.experiments.push_back(experiment_from_json(experiment));
  }
  return lab;
}

}  // namespace

json to_json(const CheckResult& check) {
  return {{"id", check.id},
          {"title", check.title},
          {"status", to_string(check.status)},
          {"points", check.points},
          {"max_points", check.max_points},
          {"evidence", to_string(check.evidence)},
          {"message", check.message}};
}

json to_json(const ExperimentResult& experiment) {
  json result = {{"id", experiment.id},
                 {"title", experiment.title},
                 {"article", experiment.article},
                 {"parameters", experiment.parameters},
                 {"claim", to_json(experiment.claim)},
                 {"metrics", json::array()},
                 {"series", json::array()}};
  for (const auto& metric : experiment.metrics) result["metrics"].push_back(to_json(metric));
  for (const auto& series : experiment.series) result["series"].push_back(to_json(series));
  if (!experiment.figures.empty()) result["figures"] = experiment.figures;
  if (!experiment.transcript.empty()) result["transcript"] = experiment.transcript;
  return result;
}

json to_json(const LabReport& lab) {
  json result = {{"id", lab.id},
                 {"title", lab.title},
                 {"checks", json::array()},
                 {"experiments", json::array()}};
  for (const auto& check : lab.checks) result["checks"].push_back(to_json(check));
  for (const auto& experiment : lab.experiments) {
    result["experiments"].push_back(to_json(experiment));
  }
  return result;
}

json to_json(const Report& report) {
  json result = {{"schema", Report::kSchema},
                 {"environment", report.environment},
                 {"seed", report.seed},
                 {"labs", json::array()}};
  for (const auto& lab : report.labs) result["labs"].push_back(to_json(lab));
  return result;
}

CheckResult check_from_json(const json& from) {
  CheckResult check;
  check.id = from.at("id");
  check.title = from.at("title");
  check.status = from_text<CheckStatus>(
      from.at("status"),
      {CheckStatus::passed, CheckStatus::failed, CheckStatus::skipped, CheckStatus::environment});
  check.points = from.at("points");
  check.max_points = from.at("max_points");
  check.evidence = from_text<Evidence>(from.at("evidence"), {Evidence::host, Evidence::guest});
  check.message = from.at("message");
  return check;
}

ExperimentResult experiment_from_json(const json& from) {
  ExperimentResult experiment;
  experiment.id = from.at("id");
  experiment.title = from.at("title");
  experiment.article = from.at("article").get<std::vector<std::string>>();
  experiment.parameters = from.at("parameters");
  const json& claim = from.at("claim");
  experiment.claim.text = claim.at("text");
  experiment.claim.because = claim.at("because");
  experiment.claim.verdict = from_text<ClaimVerdict>(
      claim.at("verdict"), {ClaimVerdict::confirmed, ClaimVerdict::qualified, ClaimVerdict::refuted,
                            ClaimVerdict::not_testable});
  for (const auto& metric : from.at("metrics")) {
    experiment.metrics.push_back(metric_from_json(metric));
  }
  for (const auto& series : from.at("series")) {
    experiment.series.push_back(series_from_json(series));
  }
  experiment.figures = from.value("figures", std::vector<std::string>());
  experiment.transcript = from.value("transcript", std::string());
  return experiment;
}

Report report_from_json(const json& from) {
  if (const auto violation = find_violation(report_schema(), from)) {
    throw UsageError("This is not a report of this program: at \"" + violation->pointer + "\" " +
                     violation->message + ".");
  }
  Report report;
  report.environment = from.at("environment");
  report.seed = from.at("seed");
  for (const auto& lab : from.at("labs")) report.labs.push_back(lab_from_json(lab));
  return report;
}

const json& report_schema() {
  static const json schema = [] {
    const auto path = base::source_root() / "harness/report/schema/report.schema.json";
    std::ifstream file(path);
    if (!file) throw EnvironmentError("Cannot read " + path.string() + ".");
    return json::parse(file);
  }();
  return schema;
}

void require_valid(const json& report) {
  if (const auto violation = find_violation(report_schema(), report)) {
    throw std::logic_error("the report does not conform to its own schema at \"" +
                           violation->pointer + "\": " + violation->message);
  }
}

}  // namespace zcl::report
