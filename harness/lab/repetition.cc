// SPDX-License-Identifier: MIT
#include "harness/lab/repetition.hh"

#include <algorithm>
#include <map>
#include <stdexcept>

#include "harness/base/random.hh"

namespace zcl::lab {

namespace {

constexpr std::size_t kLeastForInterval = 9;
constexpr std::size_t kResamples = 2000;

/// What tells two figures of one experiment apart.
using MetricKey = std::pair<std::string, std::map<std::string, std::string>>;

std::string say_verdicts(const std::vector<report::ExperimentResult>& runs) {
  std::map<std::string, std::size_t> counts;
  for (const auto& run : runs) ++counts[report::to_string(run.claim.verdict)];
  std::string text;
  for (const auto& [verdict, count] : counts) {
    text += (text.empty() ? "" : ", ") + verdict + " in " + std::to_string(count);
  }
  return text + " of " + std::to_string(runs.size()) + " runs";
}

}  // namespace

double median(std::vector<double> values) {
  if (values.empty()) throw std::invalid_argument("median of nothing");
  std::sort(values.begin(), values.end());
  const std::size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

std::pair<double, double> bootstrap_interval(const std::vector<double>& samples) {
  base::RandomStream random(samples.size(), "bootstrap");
  std::vector<double> medians;
  std::vector<double> resample(samples.size());
  for (std::size_t i = 0; i < kResamples; ++i) {
    for (auto& value : resample) value = samples[random.below(samples.size())];
    medians.push_back(median(resample));
  }
  std::sort(medians.begin(), medians.end());
  constexpr std::size_t kTail = kResamples / 40;  // 2.5 %
  return {medians[kTail], medians[kResamples - 1 - kTail]};
}

report::ExperimentResult merge_runs(std::vector<report::ExperimentResult> runs) {
  if (runs.size() == 1) return std::move(runs.front());
  std::map<MetricKey, std::vector<double>> samples;
  for (const auto& run : runs) {
    for (const auto& metric : run.metrics) {
      samples[{metric.name, metric.labels}].push_back(metric.value);
    }
  }
  report::ExperimentResult result = runs.front();
  for (auto& metric : result.metrics) {
    metric.samples = samples.at({metric.name, metric.labels});
    metric.value = median(metric.samples);
    metric.interval.reset();
    if (metric.samples.size() >= kLeastForInterval) {
      metric.interval = bootstrap_interval(metric.samples);
    }
  }
  const bool agreed = std::all_of(runs.begin(), runs.end(), [&](const auto& run) {
    return run.claim.verdict == result.claim.verdict;
  });
  if (!agreed) result.claim.verdict = report::ClaimVerdict::qualified;
  result.claim.because += " (" + say_verdicts(runs) + ".)";
  return result;
}

}  // namespace zcl::lab
