// SPDX-License-Identifier: MIT
#include "harness/cli/session_output.hh"

#include <algorithm>
#include <cstdio>
#include <map>

#include "harness/report/json.hh"

namespace zcl::cli {

void add_profile_option(CLI::App& command, lab::RunOptions& options) {
  static const std::map<std::string, lab::Profile> profiles = {{"quick", lab::Profile::quick},
                                                               {"full", lab::Profile::full}};
  command
      .add_option_function<std::string>(
          "--profile", [&options](const std::string& name) { options.profile = profiles.at(name); },
          "Quick: every article row. Full: every size and sweep as well [quick]")
      ->check(CLI::IsMember({"quick", "full"}))
      ->type_name("quick|full");
}

nlohmann::json valid_json(const report::Report& report) {
  auto json = report::to_json(report);
  report::require_valid(json);
  return json;
}

ExitStatus finish(const lab::SessionResult& result) {
  for (const auto& error : result.errors) std::fprintf(stderr, "zcl: %s\n", error.c_str());
  ExitStatus status = result.errors.empty() ? ExitStatus::passed : ExitStatus::environment;
  for (const auto& lab : result.report.labs) status = std::max(status, status_of(lab.checks));
  return status;
}

}  // namespace zcl::cli
