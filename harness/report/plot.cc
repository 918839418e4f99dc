// SPDX-License-Identifier: MIT
#include "harness/report/plot.hh"

#include <algorithm>
#include <cstdio>
#include <limits>
#include <system_error>

#include "harness/base/error.hh"
#include "harness/base/process.hh"
#include "harness/report/text.hh"

namespace zcl::report {

namespace {

constexpr double kLogarithmicFrom = 100;  ///< largest over smallest value of an axis

/// A string of gnuplot: in single quotes nothing is special but the quote itself.
std::string quoted(const std::string& text) {
  std::string result = "'";
  for (const char c : printable(text)) {
    if (c == '\n') continue;
    result += c;
    if (c == '\'') result += c;
  }
  return result + "'";
}

std::string number(double value) {
  char text[40];
  std::snprintf(text, sizeof text, "%.17g", value);
  return text;
}

struct Range {
  double least = std::numeric_limits<double>::infinity();
  double most = 0;
  void include(double value) {
    least = std::min(least, value);
    most = std::max(most, value);
  }
  [[nodiscard]] bool logarithmic() const { return least > 0 && most / least > kLogarithmicFrom; }
};

bool same_axes(const Series& one, const Series& other) {
  return one.x_label == other.x_label && one.y_label == other.y_label;
}

std::string name_of(const Series& series) {
  std::string name = series.name;
  for (const auto& [key, value] : series.labels) {
    if (value != series.name) name += ", " + key + " " + value;
  }
  return name;
}

std::string script_of(const std::vector<const Series*>& curves) {
  Range x;
  Range y;
  for (const auto* curve : curves) {
    for (const auto& point : curve->points) {
      x.include(point.first);
      y.include(point.second);
    }
  }
  std::string script =
      "set terminal svg size 720,400 dynamic noenhanced font 'sans-serif,14' background '#ffffff'\n"
      "set grid lc rgb '#dddddd'\nset border 3\nset tics nomirror\nset key outside below\n";
  script += "set xlabel " + quoted(curves.front()->x_label) + "\n";
  script += "set ylabel " + quoted(curves.front()->y_label) + "\n";
  if (x.logarithmic()) script += "set logscale x\n";
  if (y.logarithmic()) script += "set logscale y\n";
  if (!y.logarithmic() && y.least >= 0) script += "set yrange [0:*]\n";
  std::string data;
  std::string plots;
  for (const auto* curve : curves) {
    plots += (plots.empty() ? "plot " : ", ") +
             std::string("'-' with linespoints lw 2 pt 7 ps 0.5") + " title " +
             quoted(name_of(*curve));
    for (const auto& [at, value] : curve->points) data += number(at) + " " + number(value) + "\n";
    data += "e\n";
  }
  return script + plots + "\n" + data;
}

std::string draw(const std::string& script) {
  base::Command command;
  command.argv = {"gnuplot", "-"};
  command.input = script;
  command.time_limit = std::chrono::seconds(60);
  try {
    auto result = base::run_command(command);
    if (result.ok()) return std::move(result.output);
    throw EnvironmentError("gnuplot could not draw a plot: " + printable(result.error));
  } catch (const std::system_error&) {
    throw EnvironmentError("gnuplot is missing, which draws the report's plots. Run `make setup`.");
  }
}

}  // namespace

std::vector<std::string> plot(const std::vector<Series>& series) {
  std::vector<std::vector<const Series*>> groups;
  for (const auto& one : series) {
    if (one.points.empty()) continue;
    const auto group = std::find_if(groups.begin(), groups.end(), [&](const auto& curves) {
      return same_axes(*curves.front(), one);
    });
    if (group == groups.end()) {
      groups.push_back({&one});
    } else {
      group->push_back(&one);
    }
  }
  std::vector<std::string> figures;
  for (const auto& curves : groups) figures.push_back(draw(script_of(curves)));
  return figures;
}

}  // namespace zcl::report
