// SPDX-License-Identifier: MIT
// An experiment's figures arranged for a reader.
#pragma once

#include <string>
#include <vector>

#include "harness/report/model.hh"

namespace zcl::report {

/// Figures that carry the same label keys: one row a combination of label values, one column a
/// label key or a metric.
struct MetricTable {
  struct Column {
    std::string name;  ///< label key, or metric name with blanks for underscores
    std::string unit;  ///< empty for a label, and for a unit that the name says already
    bool figure = false;
  };
  std::vector<Column> columns;
  std::vector<std::vector<std::string>> rows;  ///< a cell is empty where there is no figure
};

/// In the order in which the figures were recorded.
std::vector<MetricTable> arrange_metrics(const std::vector<Metric>& metrics);

/// Whole numbers in full with a blank between thousands, addresses and bits in hexadecimal, others
/// to four significant digits.
std::string format_value(double value, const std::string& unit);

}  // namespace zcl::report
