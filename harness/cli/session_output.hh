// SPDX-License-Identifier: MIT
// What `zcl run` and `zcl report` share once everything has run.
#pragma once

#include "harness/cli/command.hh"
#include "harness/lab/session.hh"

namespace zcl::cli {

/// --profile quick|full
void add_profile_option(CLI::App& command, lab::RunOptions& options);

/// The report as JSON, proved to conform to its schema before anyone sees it.
nlohmann::json valid_json(const report::Report& report);

/// Says on standard error what could not be run, and gives the exit status.
ExitStatus finish(const lab::SessionResult& result);

}  // namespace zcl::cli
