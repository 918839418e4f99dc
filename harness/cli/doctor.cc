// SPDX-License-Identifier: MIT
// zcl doctor: what is missing, and how to get it.
#include <algorithm>

#include "harness/cli/command.hh"
#include "harness/grade/sandbox.hh"
#include "harness/lab/diagnosis.hh"
#include "harness/report/text.hh"

namespace zcl::cli {

namespace {

using lab::Finding;
using nlohmann::json;

struct Options {
  lab::RunOptions run;
  JsonOutput json;
};

Finding find_sandbox() {
  const auto problem = grade::why_no_sandbox();
  if (problem.empty()) {
    return {"sandbox", Finding::Status::fine, "bubblewrap works", ""};
  }
  return {"sandbox", Finding::Status::limited, problem,
          "Only `zcl grade` needs it; with --no-sandbox it does without, for sources you trust."};
}

std::string text_of(const std::vector<Finding>& findings) {
  constexpr std::size_t kStatus = 8;
  constexpr std::size_t kSubject = 16;
  constexpr std::size_t kWidth = 80;
  std::string text;
  for (const auto& finding : findings) {
    std::string head = report::padded(to_string(finding.status), kStatus) +
                       report::padded(finding.subject, kSubject);
    const auto detail = finding.detail + (finding.remedy.empty() ? "" : "\n" + finding.remedy);
    for (const auto& line : report::wrap(report::printable(detail), kWidth - kStatus - kSubject)) {
      text += head + line + "\n";
      head = std::string(kStatus + kSubject, ' ');
    }
  }
  return text;
}

json json_of(const std::vector<Finding>& findings) {
  json list = json::array();
  for (const auto& finding : findings) {
    list.push_back({{"subject", finding.subject},
                    {"status", to_string(finding.status)},
                    {"detail", report::printable(finding.detail)},
                    {"remedy", finding.remedy}});
  }
  return {{"schema", "zcl-doctor/1"}, {"findings", list}};
}

ExitStatus examine(const Options& options) {
  auto findings = lab::diagnose(options.run);
  findings.push_back(find_sandbox());
  const auto missing = std::ranges::count(findings, Finding::Status::missing, &Finding::status);
  options.json.write(json_of(findings));
  if (!options.json.only_output()) {
    print(text_of(findings) +
          (missing == 0 ? "\nLabs can run.\n"
                        : "\nLabs cannot run: " + std::to_string(missing) + " missing.\n"));
  }
  return missing == 0 ? ExitStatus::passed : ExitStatus::environment;
}

}  // namespace

void add_doctor(CLI::App& zcl, Action& action) {
  auto options = std::make_shared<Options>();
  auto* command = zcl.add_subcommand("doctor", "Say what is missing and how to get it");
  add_machine_options(*command, options->run);
  add_json_option(*command, options->json);
  command->callback([&action, options] { action = [options] { return examine(*options); }; });
}

}  // namespace zcl::cli
