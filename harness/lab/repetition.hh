// SPDX-License-Identifier: MIT
// Several runs of one experiment made one result.
#pragma once

#include <vector>

#include "harness/report/model.hh"

namespace zcl::lab {

/// Each figure becomes the median of the runs', with the runs as its samples and, from 9 runs on, a
/// bootstrap interval. The verdict stands where all runs agree; where they do not, it is
/// `qualified`, and the reason says how often each came out. Series, figures and transcript are
/// the first run's. `runs` is not empty.
report::ExperimentResult merge_runs(std::vector<report::ExperimentResult> runs);

double median(std::vector<double> values);
/// The 95 % interval of the median of `samples` by the percentile bootstrap (2,000 resamples, a
/// fixed seed: the same samples always give the same interval).
std::pair<double, double> bootstrap_interval(const std::vector<double>& samples);

}  // namespace zcl::lab
