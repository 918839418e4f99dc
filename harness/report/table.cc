// SPDX-License-Identifier: MIT
#include "harness/report/table.hh"

#include <algorithm>
#include <map>

#include "harness/report/text.hh"

namespace zcl::report {

namespace {

enum class Tone { plain, good, bad, mixed, faint, strong };

std::string toned(const std::string& text, Tone tone, const TableStyle& style) {
  static const std::map<Tone, const char*> codes = {{Tone::good, "\033[32m"},
                                                    {Tone::bad, "\033[31m"},
                                                    {Tone::mixed, "\033[33m"},
                                                    {Tone::faint, "\033[2m"},
                                                    {Tone::strong, "\033[1m"}};
  if (!style.color || tone == Tone::plain) return text;
  return codes.at(tone) + text + "\033[0m";
}

Tone tone_of(CheckStatus status) {
  switch (status) {
    case CheckStatus::passed:
      return Tone::good;
    case CheckStatus::failed:
      return Tone::bad;
    case CheckStatus::skipped:
      return Tone::faint;
    case CheckStatus::environment:
      return Tone::mixed;
  }
  return Tone::plain;
}

Tone tone_of(ClaimVerdict verdict) {
  switch (verdict) {
    case ClaimVerdict::confirmed:
      return Tone::good;
    case ClaimVerdict::qualified:
      return Tone::mixed;
    case ClaimVerdict::refuted:
      return Tone::bad;
    case ClaimVerdict::not_testable:
      return Tone::faint;
  }
  return Tone::plain;
}

std::string words(ClaimVerdict verdict) {
  return verdict == ClaimVerdict::not_testable ? "not testable" : to_string(verdict);
}

/// A column of fixed width, or (width 0) the last one, which takes what is left and wraps.
struct Cell {
  std::string text;
  std::size_t width = 0;
  Tone tone = Tone::plain;
};

constexpr std::size_t kGap = 2;  ///< columns between cells
constexpr std::size_t kIndent = 2;

/// A row of cells; every cell wraps within its width.
std::string row(const std::vector<Cell>& cells, const TableStyle& style) {
  std::vector<std::vector<std::string>> wrapped;
  std::vector<std::size_t> widths;
  std::size_t left = style.width > kIndent ? style.width - kIndent : 1;
  std::size_t lines = 0;
  for (const auto& cell : cells) {
    const std::size_t width = cell.width == 0 ? left : std::min(cell.width, left);
    widths.push_back(width);
    wrapped.push_back(wrap(printable(cell.text), width));
    lines = std::max(lines, wrapped.back().size());
    left -= std::min(left > 1 ? left - 1 : 0, width + kGap);
  }
  std::string result;
  for (std::size_t i = 0; i < lines; ++i) {
    std::string line(kIndent, ' ');
    for (std::size_t c = 0; c < cells.size(); ++c) {
      const std::string text = i < wrapped[c].size() ? wrapped[c][i] : "";
      const bool last = c + 1 == cells.size();
      const std::string shown = last ? text : padded(text, widths[c]);
      line += toned(shown, cells[c].tone, style) + (last ? "" : std::string(kGap, ' '));
    }
    const auto end = line.find_last_not_of(' ');
    result += line.substr(0, end == std::string::npos ? 0 : end + 1) + "\n";
  }
  return result;
}

/// Text at the left and text at the right edge; the left one wraps.
std::string heading(const std::string& left, const std::string& right, const TableStyle& style) {
  const std::size_t taken = display_width(right) + kGap;
  const auto lines = wrap(printable(left), style.width > taken ? style.width - taken : 1);
  std::string result;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const bool pad = i == 0 && !right.empty();
    const std::string text = pad ? padded(lines[i], style.width - taken + kGap) : lines[i];
    result += toned(text, Tone::strong, style) + (i == 0 ? right : "") + "\n";
  }
  return result;
}

struct Points {
  unsigned earned = 0;
  unsigned possible = 0;
};

Points sum_points(const std::vector<CheckResult>& checks) {
  Points points;
  for (const auto& check : checks) {
    points.earned += check.points;
    points.possible += check.max_points;
  }
  return points;
}

std::string text_of(const Points& points) {
  return std::to_string(points.earned) + "/" + std::to_string(points.possible);
}

constexpr std::size_t kStatusWidth = 12;
constexpr std::size_t kLongestId = 24;

/// Room for the longest of `ids`, within bounds.
template <typename Item>
std::size_t id_width(const std::vector<Item>& items) {
  std::size_t width = 4;
  for (const auto& item : items) width = std::max(width, display_width(item.id));
  return std::min(width, kLongestId);
}

std::string check_rows(const std::vector<CheckResult>& checks, const TableStyle& style) {
  const std::size_t id = id_width(checks);
  std::string rows;
  for (const auto& check : checks) {
    const Tone tone = tone_of(check.status);
    rows += row({{to_string(check.status), kStatusWidth, tone},
                 {check.id, id},
                 {text_of({check.points, check.max_points}), 7},
                 {check.title, 0}},
                style);
    if (check.status != CheckStatus::passed && !check.message.empty()) {
      rows += row({{"", kStatusWidth}, {check.message, 0, Tone::plain}}, style);
    }
  }
  return rows;
}

std::string joined(const std::vector<std::string>& parts) {
  std::string text;
  for (const auto& part : parts) text += (text.empty() ? "" : " ") + part;
  return text;
}

std::string experiment_rows(const std::vector<ExperimentResult>& experiments,
                            const TableStyle& style) {
  const std::size_t id = id_width(experiments);
  std::string rows;
  for (const auto& experiment : experiments) {
    const Claim& claim = experiment.claim;
    rows += row({{words(claim.verdict), kStatusWidth, tone_of(claim.verdict)},
                 {experiment.id, id},
                 {joined(experiment.article), 7},
                 {experiment.title, 0}},
                style);
    rows += row({{"", kStatusWidth}, {claim.because, 0, Tone::faint}}, style);
  }
  return rows;
}

std::string count_of(std::size_t count, const std::string& what) {
  return std::to_string(count) + " " + what + (count == 1 ? "" : "s");
}

}  // namespace

std::string checks_table(const std::vector<CheckResult>& checks, const TableStyle& style) {
  return check_rows(checks, style) +
         toned("  " + text_of(sum_points(checks)) + " points\n", Tone::strong, style);
}

std::string totals_line(const Report& report) {
  std::map<CheckStatus, std::size_t> checks;
  std::map<ClaimVerdict, std::size_t> verdicts;
  std::size_t check_count = 0;
  std::size_t experiment_count = 0;
  for (const auto& lab : report.labs) {
    check_count += lab.checks.size();
    experiment_count += lab.experiments.size();
    for (const auto& check : lab.checks) ++checks[check.status];
    for (const auto& experiment : lab.experiments) ++verdicts[experiment.claim.verdict];
  }
  std::string text = count_of(report.labs.size(), "lab");
  const auto list = [&text](const auto& counts, auto name) {
    const char* separator = ": ";
    for (const auto& [key, count] : counts) {
      text += separator + std::to_string(count) + " " + name(key);
      separator = ", ";
    }
  };
  if (check_count > 0) {
    text += "; " + count_of(check_count, "check");
    list(checks, [](CheckStatus status) { return to_string(status); });
  }
  if (experiment_count > 0) {
    text += "; " + count_of(experiment_count, "experiment");
    list(verdicts, [](ClaimVerdict verdict) { return words(verdict); });
  }
  return text + ".";
}

std::string to_table(const Report& report, const TableStyle& style) {
  std::string text;
  for (const auto& lab : report.labs) {
    const std::string points =
        lab.checks.empty() ? "" : text_of(sum_points(lab.checks)) + " points";
    text += heading("Lab " + lab.id.substr(0, 2) + "  " + lab.title, points, style);
    text += check_rows(lab.checks, style);
    if (!lab.checks.empty() && !lab.experiments.empty()) text += "\n";
    text += experiment_rows(lab.experiments, style);
    text += "\n";
  }
  for (const auto& line : wrap(totals_line(report), style.width)) text += line + "\n";
  return text;
}

}  // namespace zcl::report
