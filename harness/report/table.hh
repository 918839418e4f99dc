// SPDX-License-Identifier: MIT
// The report as a table on a terminal.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "harness/report/model.hh"

namespace zcl::report {

struct TableStyle {
  std::size_t width = 80;  ///< columns, at least 60; no line is longer
  bool color = false;      ///< ANSI colours of statuses and verdicts
};

/// Checks and experiments of every lab, and totals.
std::string to_table(const Report& report, const TableStyle& style = {});
/// The checks alone, as grading shows them, with the points in all.
std::string checks_table(const std::vector<CheckResult>& checks, const TableStyle& style = {});
/// One line: how many checks and experiments came out how.
std::string totals_line(const Report& report);

}  // namespace zcl::report
