// SPDX-License-Identifier: MIT
// The report: what was checked, measured and concluded. Nothing here knows what QEMU is.
#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

namespace zcl::report {

enum class CheckStatus { passed, failed, skipped, environment };
enum class Evidence { host, guest };
enum class ClaimVerdict { confirmed, qualified, refuted, not_testable };

struct CheckResult {
  std::string id;  ///< "01.export"
  std::string title;
  CheckStatus status = CheckStatus::skipped;
  unsigned points = 0;
  unsigned max_points = 0;
  Evidence evidence = Evidence::host;
  std::string message;  ///< why it failed, with what to look at; or what was observed
};

/// A figure. `name` is one of metric_names().
struct Metric {
  std::string name;
  std::string unit;
  double value = 0;
  std::string mode;  ///< "count" or "speed"
  std::map<std::string, std::string> labels;
  std::vector<double> samples;
  std::optional<std::pair<double, double>> interval;  ///< of the value, 95 %
};

/// Points of a plot.
struct Series {
  std::string name;
  std::string x_label;
  std::string y_label;
  std::vector<std::pair<double, double>> points;
  std::map<std::string, std::string> labels;
};

struct Claim {
  std::string text;  ///< what the article says
  ClaimVerdict verdict = ClaimVerdict::not_testable;
  std::string because;  ///< one or two sentences with the measured figures
};

struct ExperimentResult {
  std::string id;
  std::string title;
  std::vector<std::string> article;  ///< rows of the article digest: "A3"
  nlohmann::json parameters = nlohmann::json::object();
  Claim claim;
  std::vector<Metric> metrics;
  std::vector<Series> series;
  std::vector<std::string> figures;  ///< SVG documents, e.g. a memory map of census places
  std::string transcript;            ///< what a program printed, where that is the point
};

struct LabReport {
  std::string id;
  std::string title;
  std::vector<CheckResult> checks;
  std::vector<ExperimentResult> experiments;
};

struct Report {
  static constexpr const char* kSchema = "zcl-report/1";
  std::map<std::string, std::string> environment;
  std::uint64_t seed = 0;
  std::vector<LabReport> labs;
};

/// The one vocabulary of metric names, each with its unit and meaning.
struct MetricName {
  const char* name;
  const char* unit;
  const char* meaning;
};
const std::vector<MetricName>& metric_names();
/// Null where the vocabulary has no such name.
const MetricName* find_metric_name(const std::string& name);

std::string to_string(CheckStatus status);
std::string to_string(ClaimVerdict verdict);
std::string to_string(Evidence evidence);

}  // namespace zcl::report
