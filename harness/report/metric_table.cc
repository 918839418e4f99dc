// SPDX-License-Identifier: MIT
#include "harness/report/metric_table.hh"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <set>

namespace zcl::report {

namespace {

/// Up to here a double holds every whole number.
constexpr double kExactIntegers = 9007199254740992.0;

/// One past the largest address.
constexpr double kPastUnsigned = 18446744073709551616.0;

template <typename... Arguments>
std::string formatted(const char* format, Arguments... arguments) {
  char text[64];
  std::snprintf(text, sizeof text, format, arguments...);
  return text;
}

std::string grouped(std::string digits) {
  const std::size_t first = digits.starts_with('-') ? 1 : 0;
  if (digits.size() - first <= 4) return digits;
  for (std::size_t at = digits.size(); at > first + 3;) {
    at -= 3;
    digits.insert(at, "\u202F");  // a narrow blank that does not break
  }
  return digits;
}

std::set<std::string> keys_of(const Metric& metric) {
  std::set<std::string> keys;
  for (const auto& [key, ignored] : metric.labels) keys.insert(key);
  return keys;
}

template <typename Item>
std::size_t index_in(std::vector<Item>& list, const Item& item) {
  const auto found = std::find(list.begin(), list.end(), item);
  if (found != list.end()) return static_cast<std::size_t>(found - list.begin());
  list.push_back(item);
  return list.size() - 1;
}

std::string spaced(std::string name) {
  std::replace(name.begin(), name.end(), '_', ' ');
  return name;
}

/// "syscalls_per_packet" says "calls/packet".
bool says_unit(const std::string& name, std::string unit) {
  if (const auto slash = unit.find('/'); slash != std::string::npos) {
    unit.replace(slash, 1, "_per_");
  }
  return name.find(unit) != std::string::npos || unit == "errno";
}

std::string cell_of(const Metric& metric) {
  std::string text = format_value(metric.value, metric.unit);
  if (metric.interval) {
    text += " [" + format_value(metric.interval->first, metric.unit) + "; " +
            format_value(metric.interval->second, metric.unit) + "]";
  }
  return text;
}

MetricTable arrange(const std::set<std::string>& keys, const std::vector<const Metric*>& metrics) {
  MetricTable table;
  std::vector<std::pair<std::string, std::string>> figures;  // name, unit
  std::vector<std::map<std::string, std::string>> rows;
  for (const auto* metric : metrics) {
    index_in(figures, {metric->name, metric->unit});
    index_in(rows, metric->labels);
  }
  for (const auto& key : keys) table.columns.push_back({.name = spaced(key)});
  for (const auto& [name, unit] : figures) {
    table.columns.push_back(
        {.name = spaced(name), .unit = says_unit(name, unit) ? "" : unit, .figure = true});
  }
  for (const auto& labels : rows) {
    std::vector<std::string> cells;
    for (const auto& key : keys) cells.push_back(labels.at(key));
    cells.resize(table.columns.size());
    table.rows.push_back(std::move(cells));
  }
  for (const auto* metric : metrics) {
    auto& cell = table.rows[index_in(rows, metric->labels)]
                           [keys.size() + index_in(figures, {metric->name, metric->unit})];
    cell += (cell.empty() ? "" : ", ") + cell_of(*metric);
  }
  return table;
}

}  // namespace

std::string format_value(double value, const std::string& unit) {
  if (!std::isfinite(value)) return "—";
  const bool whole = value == std::floor(value) && std::abs(value) < kExactIntegers;
  const bool hexadecimal = unit == "address" || unit == "bits";
  if (hexadecimal && value == std::floor(value) && value >= 0 && value < kPastUnsigned) {
    return formatted("0x%llx", static_cast<unsigned long long>(value));
  }
  if (whole) return grouped(formatted("%.0f", value));
  if (std::abs(value) >= 10000) return grouped(formatted("%.0f", value));
  return formatted("%.4g", value);
}

std::vector<MetricTable> arrange_metrics(const std::vector<Metric>& metrics) {
  std::vector<std::set<std::string>> shapes;
  std::vector<std::vector<const Metric*>> groups;
  for (const auto& metric : metrics) {
    const std::size_t group = index_in(shapes, keys_of(metric));
    groups.resize(shapes.size());
    groups[group].push_back(&metric);
  }
  std::vector<MetricTable> tables;
  for (std::size_t i = 0; i < groups.size(); ++i) tables.push_back(arrange(shapes[i], groups[i]));
  return tables;
}

}  // namespace zcl::report
