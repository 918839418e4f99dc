// SPDX-License-Identifier: MIT
// What the subcommands of `zcl` share: options and where results go.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>

#include "harness/base/error.hh"
#include "harness/lab/procedure.hh"
#include "harness/report/table.hh"

namespace zcl::cli {

/// What the parsed command line asks for: set by the chosen subcommand, called by main().
using Action = std::function<ExitStatus()>;

/// `--json FILE`: where JSON goes. "-" is standard output, and then nothing else goes there.
struct JsonOutput {
  std::string path;
  [[nodiscard]] bool wanted() const { return !path.empty(); }
  [[nodiscard]] bool only_output() const { return path == "-"; }
  /// Does nothing when it is not wanted. Throws UsageError where the file cannot be written.
  void write(const nlohmann::json& json) const;
};

void add_json_option(CLI::App& command, JsonOutput& output);
/// --seed N
void add_seed_option(CLI::App& command, lab::RunOptions& options, const std::string& meaning);
/// --mode --accel --kernel --seed --repeat --jobs
void add_run_options(CLI::App& command, lab::RunOptions& options);
/// --kernel alone, --accel alone: for commands that start a machine without measuring.
void add_machine_options(CLI::App& command, lab::RunOptions& options);

/// Prints `text` on standard output.
void print(const std::string& text);
/// 80 columns; coloured on a terminal unless NO_COLOR is set.
report::TableStyle terminal_style();
/// The exit status that checks ask for: environment before failed before passed.
ExitStatus status_of(const std::vector<report::CheckResult>& checks);

// One file each; `action` is set when the subcommand is chosen.
void add_doctor(CLI::App& zcl, Action& action);
void add_list(CLI::App& zcl, Action& action);
void add_run(CLI::App& zcl, Action& action);
void add_report(CLI::App& zcl, Action& action);
void add_grade(CLI::App& zcl, Action& action);
void add_handout(CLI::App& zcl, Action& action);
void add_shell(CLI::App& zcl, Action& action);
void add_xray(CLI::App& zcl, Action& action);

}  // namespace zcl::cli
