// SPDX-License-Identifier: MIT
// Plots of series.
#pragma once

#include <string>
#include <vector>

#include "harness/report/model.hh"

namespace zcl::report {

/// SVG documents: one for all series that share their axes, in the order of first mention. Drawn by
/// gnuplot; throws EnvironmentError where it is missing or fails. An axis whose positive values
/// span more than two decades is logarithmic.
std::vector<std::string> plot(const std::vector<Series>& series);

}  // namespace zcl::report
