// SPDX-License-Identifier: MIT
// zcl handout: a lab as a student gets it.
#include "harness/grade/handout.hh"

#include "harness/cli/command.hh"

namespace zcl::cli {

namespace {

struct Options {
  std::string lab;
  std::string step;
  std::string to;
};

ExitStatus hand_out(const Options& options) {
  const auto lab = lab::find_lab(options.lab);
  grade::write_handout(lab, options.step, options.to);
  print("Lab " + lab.number + " stands in " + options.to + ". Begin with its README.rst.\n");
  return ExitStatus::passed;
}

}  // namespace

void add_handout(CLI::App& zcl, Action& action) {
  auto options = std::make_shared<Options>();
  auto* command = zcl.add_subcommand("handout", "Write a lab as a student gets it");
  command->add_option("--lab", options->lab, "The lab")->required()->type_name("LAB");
  command->add_option("--step", options->step, "Solve the steps before this one (an id or 1, 2, …)")
      ->type_name("STEP");
  command->add_option("--to", options->to, "A directory that does not exist yet, or is empty")
      ->required()
      ->type_name("DIR");
  command->callback([&action, options] { action = [options] { return hand_out(*options); }; });
}

}  // namespace zcl::cli
