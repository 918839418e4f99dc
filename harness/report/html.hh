// SPDX-License-Identifier: MIT
// The report as one HTML file that needs nothing else.
#pragma once

#include <string>

#include "harness/report/model.hh"

namespace zcl::report {

/// Fills harness/report/templates/report.html. Every text is escaped; figures are embedded as
/// images, so nothing in them can run. Throws EnvironmentError where a template or gnuplot is
/// missing.
std::string to_html(const Report& report);

}  // namespace zcl::report
