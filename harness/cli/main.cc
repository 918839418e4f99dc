// SPDX-License-Identifier: MIT
// `zcl`: the command line of Zero-Copy Labs.
#include <csignal>
#include <cstdio>
#include <exception>

#include "harness/base/error.hh"
#include "harness/cli/command.hh"
#include "harness/lab/run.hh"
#include "harness/vm/signal_cleanup.hh"

namespace zcl::cli {

namespace {

constexpr const char* kAbout =
    "Zero-Copy Labs: where packet bytes are in a real kernel, who moved them, and at what cost.\n"
    "Each lab runs real drivers in a QEMU machine; the host measures from outside.";

constexpr const char* kFooter =
    "LAB is a lab's number (01) or its folder's name (01_proc_addr).\n"
    "Progress goes to standard error, results to standard output; --json - prints only JSON.\n"
    "Exit status: 0 all checks passed, 1 a check failed, 2 the command line or an input file is\n"
    "wrong, 3 the environment failed (`zcl doctor` says what is missing).\n"
    "First steps: zcl doctor, zcl list, zcl report.";

int exit_with(ExitStatus status) {
  return static_cast<int>(status);
}

int run(int argc, char** argv) {
  CLI::App zcl(kAbout, "zcl");
  zcl.footer(kFooter);
  zcl.require_subcommand(0, 1);
  bool version = false;
  zcl.add_flag("--version", version, "Print the source revision");
  Action action;
  add_report(zcl, action);
  add_run(zcl, action);
  add_list(zcl, action);
  add_doctor(zcl, action);
  add_grade(zcl, action);
  add_handout(zcl, action);
  add_shell(zcl, action);
  add_xray(zcl, action);
  try {
    zcl.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return zcl.exit(error);  // --help, --version
    const auto chosen = zcl.get_subcommands();
    const std::string name = chosen.empty() ? "zcl" : "zcl " + chosen.front()->get_name();
    std::fprintf(stderr, "%s: %s\nSee `%s --help`.\n", name.c_str(), error.what(), name.c_str());
    return exit_with(ExitStatus::usage);
  }
  if (version) {
    print(lab::program_version() + "\n");
    return exit_with(ExitStatus::passed);
  }
  if (!action) {
    std::fputs("zcl: A subcommand is expected. See `zcl --help`.\n", stderr);
    return exit_with(ExitStatus::usage);
  }
  return exit_with(action());
}

}  // namespace

}  // namespace zcl::cli

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);
  zcl::vm::clean_up_on_signals();
  try {
    return zcl::cli::run(argc, argv);
  } catch (const zcl::Error& error) {
    std::fprintf(stderr, "zcl: %s\n", error.what());
    return static_cast<int>(error.status());
  } catch (const std::exception& error) {
    std::fprintf(stderr, "zcl: %s\n", error.what());
    return static_cast<int>(zcl::ExitStatus::environment);
  }
}
