// SPDX-License-Identifier: MIT
// Running experiments and checks of a lab.
#pragma once

#include <string>
#include <vector>

#include "harness/base/progress.hh"
#include "harness/lab/procedure.hh"

namespace zcl::lab {

/// One experiment's end: its result, or why it could not be run (the solution is expected to work,
/// so a fault of the guest, a passed deadline or an EnvironmentError is the environment's). Then
/// `result` says not_testable, with the reason.
struct ExperimentOutcome {
  report::ExperimentResult result;
  std::string error;  ///< empty: it ran
};

/// Runs the experiments of a built lab, each in a process of its own. The order of the result is
/// that of `experiments`, whatever order they ended in.
std::vector<ExperimentOutcome> run_experiments(const BuiltLab& built,
                                               const std::vector<Experiment>& experiments,
                                               const RunOptions& options, base::Progress& progress);

/// Runs one experiment; EnvironmentError that names it where it could not be run.
report::ExperimentResult run_experiment(const BuiltLab& built, const Experiment& experiment,
                                        const RunOptions& options);

/// Runs the checks in order of need, each in a process of its own. A failure carries the check's
/// hint; a guest fault its kind, console tail and file:line. EnvironmentError becomes status
/// `environment`. `only`: ids to run (with what they need); empty: all. The order of the result is
/// the declaration's. Throws UsageError for an id that the lab does not declare.
std::vector<report::CheckResult> run_checks(const BuiltLab& built, const RunOptions& options,
                                            base::Progress& progress,
                                            const std::vector<std::string>& only = {});

/// Kernel, QEMU, accelerator, CPU, versions, source revision: Report::environment.
std::map<std::string, std::string> describe_environment(const RunOptions& options);

/// For `zcl --version`: the source revision.
std::string program_version();

}  // namespace zcl::lab
