// SPDX-License-Identifier: MIT
// zcl shell: the lab's machine, with its modules loaded, at a prompt.
#include <unistd.h>

#include <cstdio>

#include "harness/cli/command.hh"
#include "harness/vm/guest_shell.hh"

namespace zcl::cli {

namespace {

struct Options {
  std::string lab;
  std::string machine;
  bool bare = false;
  lab::RunOptions run;
};

/// A session at a prompt is a person's to end.
constexpr std::chrono::seconds kLongestSession = std::chrono::hours(12);

void require_machine(const lab::Lab& lab, const std::string& name) {
  if (lab.machines.contains(name)) return;
  std::string known;
  for (const auto& [each, ignored] : lab.machines) known += (known.empty() ? "" : ", ") + each;
  throw UsageError("Lab " + lab.id + " has no machine \"" + name + "\". It has: " + known + ".");
}

vm::Machine start(const lab::Lab& lab, const std::string& name, const lab::RunOptions& options) {
  vm::MachineSpec spec = lab.machines.at(name);
  spec.kernel = options.kernel;
  spec.accel = options.accel;
  spec.mode = vm::Mode::speed;  // guest time passes as ours does
  vm::MachineOptions machine_options;
  machine_options.deadlines.total = kLongestSession;
  return vm::Machine::start(spec, machine_options);
}

ExitStatus open_shell(const Options& options) {
  const auto lab = lab::find_lab(options.lab);
  const auto name = options.machine.empty() ? lab.shell.machine : options.machine;
  require_machine(lab, name);
  const auto& built = lab::built_solution(lab, options.run.kernel);
  lab::Context context(built, options.run, "shell");
  auto machine = start(lab, name, options.run);
  std::string greeting = "Lab " + lab.number + ", machine " + name + ". Ctrl-] leaves it.\n";
  for (const auto& program : lab.programs) {
    greeting += "  " + context.install(machine, std::filesystem::path(program).filename()) + "\n";
  }
  for (const auto& module : lab.shell.load) {
    if (options.bare) break;
    context.load(machine, module.name, module.parameters);
    greeting += "  loaded " + module.name + " " + module.parameters + "\n";
  }
  const int status = vm::run_shell(machine, greeting);
  if (status != 0) std::fprintf(stderr, "zcl: The shell ended with status %d.\n", status);
  return ExitStatus::passed;
}

}  // namespace

void add_shell(CLI::App& zcl, Action& action) {
  auto options = std::make_shared<Options>();
  auto* command = zcl.add_subcommand("shell", "A shell in a lab's machine, its modules loaded");
  command->add_option("LAB", options->lab, "The lab")->required();
  command->add_option("--machine", options->machine, "Another machine of the lab")
      ->type_name("NAME");
  command->add_flag("--bare", options->bare, "Do not load the lab's modules");
  add_machine_options(*command, options->run);
  command->callback([&action, options] { action = [options] { return open_shell(*options); }; });
}

}  // namespace zcl::cli
