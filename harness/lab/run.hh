// SPDX-License-Identifier: MIT
// Running experiments and checks of a lab.
#pragma once

#include <string>
#include <vector>

#include "harness/base/progress.hh"
#include "harness/lab/procedure.hh"

namespace zcl::lab {

/// Runs one experiment; a fault of the guest or a deadline becomes an EnvironmentError that names
/// the experiment (the solution is expected to work).
report::ExperimentResult run_experiment(const BuiltLab& built, const Experiment& experiment,
                                        const RunOptions& options);

/// Runs the checks in order of need. A failure carries the check's hint; a guest fault its kind,
/// console tail and file:line. EnvironmentError becomes status `environment`. `only`: ids to run
/// (with what they need); empty: all.
std::vector<report::CheckResult> run_checks(const BuiltLab& built, const RunOptions& options,
                                            base::Progress& progress,
                                            const std::vector<std::string>& only = {});

/// Kernel, QEMU, accelerator, CPU, versions, source revision: Report::environment.
std::map<std::string, std::string> describe_environment(const RunOptions& options);

}  // namespace zcl::lab
