// SPDX-License-Identifier: MIT
#include "harness/report/html.hh"

#include <algorithm>
#include <cstdint>
#include <kainjow/mustache.hpp>
#include <set>
#include <system_error>

#include "harness/base/error.hh"
#include "harness/base/file_descriptor.hh"
#include "harness/base/paths.hh"
#include "harness/report/metric_table.hh"
#include "harness/report/plot.hh"
#include "harness/report/table.hh"
#include "harness/report/text.hh"

namespace zcl::report {

namespace {

using kainjow::mustache::data;
using kainjow::mustache::list;
using kainjow::mustache::mustache;

/// Lines up to which a transcript is shown unfolded.
constexpr std::ptrdiff_t kShownTranscript = 24;

std::string read_template(const std::string& name) {
  const auto path = base::source_root() / "harness/report/templates" / name;
  try {
    return base::read_text_file(path);
  } catch (const std::system_error& error) {
    throw EnvironmentError("Cannot read " + path.string() + ": " + error.code().message() + ".");
  }
}

/// RFC 4648, section 4.
std::string base64(const std::string& bytes) {
  static constexpr char kAlphabet[] =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  for (std::size_t at = 0; at < bytes.size(); at += 3) {
    std::uint32_t group = 0;
    for (std::size_t i = 0; i < 3; ++i) {
      group = group << 8 | (at + i < bytes.size() ? static_cast<std::uint8_t>(bytes[at + i]) : 0U);
    }
    for (std::size_t i = 0; i < 4; ++i) {
      const bool padding = at + i > bytes.size();
      text += padding ? '=' : kAlphabet[(group >> (18 - 6 * i)) & 0x3F];
    }
  }
  return text;
}

std::string words(ClaimVerdict verdict) {
  return verdict == ClaimVerdict::not_testable ? "not testable" : to_string(verdict);
}
std::string css_class(ClaimVerdict verdict) {
  return verdict == ClaimVerdict::not_testable ? "not-testable" : to_string(verdict);
}

std::string anchor_of(const LabReport& lab, const ExperimentResult& experiment) {
  return lab.id + "-" + experiment.id;
}

data check_data(const CheckResult& check) {
  data result;
  result.set("id", check.id);
  result.set("title", printable(check.title));
  result.set("status", to_string(check.status));
  result.set("class", to_string(check.status));
  result.set("points", std::to_string(check.points));
  result.set("max_points", std::to_string(check.max_points));
  result.set("evidence", to_string(check.evidence));
  if (!check.message.empty()) result.set("message", printable(check.message));
  return result;
}

data table_data(const MetricTable& table) {
  list columns;
  for (const auto& column : table.columns) {
    data item;
    item.set("name", column.name);
    if (!column.unit.empty()) item.set("unit", column.unit);
    item.set("figure", column.figure);
    columns.push_back(item);
  }
  list rows;
  for (const auto& row : table.rows) {
    list cells;
    for (std::size_t i = 0; i < row.size(); ++i) {
      data cell;
      cell.set("text", printable(row[i]));
      cell.set("figure", table.columns[i].figure);
      cells.push_back(cell);
    }
    rows.emplace_back(data("cells", data(cells)));
  }
  data result;
  result.set("columns", data(columns));
  result.set("rows", data(rows));
  return result;
}

data figure_data(const std::string& svg, const std::string& alt) {
  data result;
  result.set("data", base64(svg));
  result.set("alt", alt);
  return result;
}

data folded(const std::string& text, bool open) {
  data result;
  result.set("text", printable(text));
  result.set("open", open);
  return result;
}

std::string modes_of(const ExperimentResult& experiment) {
  std::set<std::string> modes;
  for (const auto& metric : experiment.metrics) modes.insert(metric.mode);
  std::string text;
  for (const auto& mode : modes) text += (text.empty() ? "" : " and ") + mode;
  return text;
}

data experiment_data(const LabReport& lab, const ExperimentResult& experiment) {
  data result;
  result.set("anchor", anchor_of(lab, experiment));
  result.set("path", lab.id.substr(0, 2) + "/" + experiment.id);
  result.set("title", printable(experiment.title));
  result.set("verdict", words(experiment.claim.verdict));
  result.set("class", css_class(experiment.claim.verdict));
  result.set("claim", printable(experiment.claim.text));
  result.set("because", printable(experiment.claim.because));
  if (!experiment.metrics.empty()) result.set("mode", modes_of(experiment));
  list article;
  for (const auto& row : experiment.article) article.emplace_back(row);
  result.set("article", data(article));
  list tables;
  for (const auto& table : arrange_metrics(experiment.metrics)) {
    tables.push_back(table_data(table));
  }
  result.set("tables", data(tables));
  list figures;
  for (const auto& svg : plot(experiment.series)) {
    figures.push_back(figure_data(svg, "Plot: " + printable(experiment.title)));
  }
  for (const auto& svg : experiment.figures) {
    figures.push_back(figure_data(svg, "Picture: " + printable(experiment.title)));
  }
  result.set("figures", data(figures));
  if (!experiment.transcript.empty()) {
    const auto lines = std::ranges::count(experiment.transcript, '\n');
    result.set("transcript", folded(experiment.transcript, lines <= kShownTranscript));
  }
  if (!experiment.parameters.empty()) {
    result.set("parameters", folded(experiment.parameters.dump(2), false));
  }
  return result;
}

data lab_data(const LabReport& lab) {
  data result;
  result.set("anchor", lab.id);
  result.set("number", lab.id.substr(0, 2));
  result.set("title", printable(lab.title));
  unsigned earned = 0;
  unsigned possible = 0;
  list checks;
  for (const auto& check : lab.checks) {
    earned += check.points;
    possible += check.max_points;
    checks.push_back(check_data(check));
  }
  result.set("has_checks", !lab.checks.empty());
  result.set("earned", std::to_string(earned));
  result.set("possible", std::to_string(possible));
  result.set("checks", data(checks));
  list experiments;
  for (const auto& experiment : lab.experiments) {
    experiments.push_back(experiment_data(lab, experiment));
  }
  result.set("experiments", data(experiments));
  return result;
}

/// A row of the digest for sorting: "A3" before "A10" before "C14".
std::pair<char, unsigned> row_key(const std::string& row) {
  unsigned number = 0;
  for (const char c : row.substr(std::min<std::size_t>(row.size(), 1))) {
    if (c >= '0' && c <= '9') number = number * 10 + static_cast<unsigned>(c - '0');
  }
  return {row.empty() ? '\0' : row[0], number};
}

data claims_data(const Report& report) {
  struct Entry {
    std::string row;
    data item;
  };
  std::vector<Entry> entries;
  for (const auto& lab : report.labs) {
    for (const auto& experiment : lab.experiments) {
      for (const auto& row : experiment.article) {
        data item;
        item.set("row", row);
        item.set("anchor", anchor_of(lab, experiment));
        item.set("title", printable(experiment.title));
        item.set("verdict", words(experiment.claim.verdict));
        item.set("class", css_class(experiment.claim.verdict));
        entries.push_back({row, item});
      }
    }
  }
  std::stable_sort(entries.begin(), entries.end(), [](const Entry& one, const Entry& other) {
    return row_key(one.row) < row_key(other.row);
  });
  list claims;
  std::string previous;
  for (auto& [row, item] : entries) {
    if (row == previous) item.set("row", "");  // said once for all its experiments
    previous = row;
    claims.push_back(item);
  }
  return data(claims);
}

data environment_data(const Report& report) {
  list environment;
  const auto add = [&environment](std::string name, const std::string& value) {
    std::replace(name.begin(), name.end(), '_', ' ');
    data item;
    item.set("name", name);
    item.set("value", printable(value));
    environment.push_back(item);
  };
  add("seed", std::to_string(report.seed));
  for (const auto& [name, value] : report.environment) add(name, value);
  return data(environment);
}

}  // namespace

std::string to_html(const Report& report) {
  data page;
  page.set("style", read_template("report.css"));
  page.set("schema", std::string(Report::kSchema));
  page.set("totals", totals_line(report));
  page.set("claims", claims_data(report));
  list labs;
  for (const auto& lab : report.labs) labs.push_back(lab_data(lab));
  page.set("labs", data(labs));
  page.set("environment", environment_data(report));
  mustache document(read_template("report.html"));
  if (!document.is_valid()) {
    throw EnvironmentError("harness/report/templates/report.html: " + document.error_message());
  }
  return document.render(page);
}

}  // namespace zcl::report
