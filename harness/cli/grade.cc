// SPDX-License-Identifier: MIT
// zcl grade: one submission.
#include "harness/grade/grade.hh"

#include "harness/cli/command.hh"
#include "harness/report/json.hh"
#include "harness/report/text.hh"

namespace zcl::cli {

namespace {

using nlohmann::json;

struct Options {
  std::string lab;
  std::string submission;
  std::vector<std::string> checks;
  bool no_control = false;
  bool no_sandbox = false;
  lab::RunOptions run;
  JsonOutput json;
};

json json_of(const lab::Lab& lab, const grade::Grade& grade) {
  json result = {{"schema", "zcl-grade/1"},
                 {"lab", lab.id},
                 {"points", grade.points},
                 {"max_points", grade.max_points},
                 {"checks", json::array()}};
  for (const auto& check : grade.checks) result["checks"].push_back(report::to_json(check));
  if (!grade.build_error.empty()) result["build_error"] = report::printable(grade.build_error);
  return result;
}

std::string text_of(const lab::Lab& lab, const grade::Grade& grade) {
  std::string text = "Lab " + lab.number + "  " + lab.title + "\n";
  if (!grade.build_error.empty()) {
    text += "The submission does not compile:\n" + report::printable(grade.build_error) + "\n";
  }
  return text + report::checks_table(grade.checks, terminal_style());
}

ExitStatus grade_one(const Options& options) {
  const auto lab = lab::find_lab(options.lab);
  const std::size_t runs = options.no_control ? 1 : 2;
  const std::size_t checks = options.checks.empty() ? lab.checks.size() : options.checks.size();
  base::Progress progress("Grading lab " + lab.number, runs * checks);
  const auto grade = grade::grade_submission(
      lab, options.submission, options.run, progress,
      options.no_control ? grade::Control::skip : grade::Control::run,
      options.no_sandbox ? grade::Confinement::none : grade::Confinement::sandbox, options.checks);
  if (!options.json.only_output()) print(text_of(lab, grade));
  options.json.write(json_of(lab, grade));
  return status_of(grade.checks);
}

}  // namespace

void add_grade(CLI::App& zcl, Action& action) {
  auto options = std::make_shared<Options>();
  auto* command = zcl.add_subcommand("grade", "Grade a submission");
  command->add_option("--lab", options->lab, "The lab")->required()->type_name("LAB");
  command->add_option("--submission", options->submission, "The student's directory")
      ->required()
      ->type_name("DIR");
  command->add_option("--check", options->checks, "Only these checks, and those they need")
      ->type_name("ID");
  command->add_flag("--no-control", options->no_control,
                    "Do not grade the reference solution beside it");
  command->add_flag("--no-sandbox", options->no_sandbox,
                    "Compile outside the sandbox: only for sources you trust");
  add_run_options(*command, options->run);
  add_json_option(*command, options->json);
  command->callback([&action, options] { action = [options] { return grade_one(*options); }; });
}

}  // namespace zcl::cli
