// SPDX-License-Identifier: MIT
// zcl run: experiments and checks of the solution.
#include "harness/cli/command.hh"
#include "harness/cli/session_output.hh"

namespace zcl::cli {

namespace {

struct Options {
  std::vector<std::string> targets;
  lab::RunOptions run;
  JsonOutput json;
};

ExitStatus run(const Options& options) {
  const auto selections = lab::select_targets(options.targets, options.run.profile);
  const auto result = lab::run_session(selections, options.run);
  const auto json = valid_json(result.report);
  if (!options.json.only_output()) print(report::to_table(result.report, terminal_style()));
  options.json.write(json);
  return finish(result);
}

}  // namespace

void add_run(CLI::App& zcl, Action& action) {
  auto options = std::make_shared<Options>();
  auto* command = zcl.add_subcommand("run", "Run experiments and checks of the solution");
  command
      ->add_option("TARGET", options->targets,
                   "LAB, LAB/EXPERIMENT or LAB/CHECK, such as 01/strings (default: all labs)")
      ->type_name("");
  add_profile_option(*command, options->run);
  add_run_options(*command, options->run);
  add_json_option(*command, options->json);
  command->callback([&action, options] { action = [options] { return run(*options); }; });
}

}  // namespace zcl::cli
