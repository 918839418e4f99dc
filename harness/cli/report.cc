// SPDX-License-Identifier: MIT
// zcl report: every lab, measured and written down.
#include <system_error>

#include "harness/base/file_descriptor.hh"
#include "harness/base/paths.hh"
#include "harness/cli/session_output.hh"
#include "harness/report/html.hh"
#include "harness/report/json.hh"

namespace zcl::cli {

namespace {

struct Options {
  std::string from;
  lab::RunOptions run;
  JsonOutput json;
};

/// A report that was written before. Throws UsageError.
lab::SessionResult read_report(const std::string& path) {
  try {
    const auto json = nlohmann::json::parse(base::read_text_file(path));
    return {.report = report::report_from_json(json), .errors = {}};
  } catch (const std::system_error& error) {
    throw UsageError("Cannot read " + path + ": " + error.code().message() + ".");
  } catch (const nlohmann::json::exception&) {
    throw UsageError(path + " is not a JSON document.");
  }
}

ExitStatus write_report(const Options& options) {
  const auto result =
      options.from.empty()
          ? lab::run_session(lab::select_targets({}, options.run.profile), options.run)
          : read_report(options.from);
  const auto json = valid_json(result.report);
  const auto json_path = (base::out_root() / "report.json").string();
  const auto html_path = (base::out_root() / "report.html").string();
  JsonOutput{json_path}.write(json);
  base::write_file_atomically(html_path, std::string_view(report::to_html(result.report)));
  options.json.write(json);
  if (!options.json.only_output()) {
    print(report::to_table(result.report, terminal_style()) + "Written: " + json_path +
          "\n         " + html_path + "\n");
  }
  return finish(result);
}

}  // namespace

void add_report(CLI::App& zcl, Action& action) {
  auto options = std::make_shared<Options>();
  auto* command = zcl.add_subcommand(
      "report", "Run every lab; write out/report.json and out/report.html, print a table");
  command->add_option("--from", options->from, "Run nothing: show this report.json again")
      ->type_name("FILE");
  add_profile_option(*command, options->run);
  add_run_options(*command, options->run);
  add_json_option(*command, options->json);
  command->callback([&action, options] { action = [options] { return write_report(*options); }; });
}

}  // namespace zcl::cli
