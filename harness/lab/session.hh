// SPDX-License-Identifier: MIT
// What a command line asks to be run, and running it all into one report.
#pragma once

#include <string>
#include <vector>

#include "harness/lab/run.hh"

namespace zcl::lab {

/// Experiments and checks of one lab.
struct Selection {
  Lab lab;
  std::vector<Experiment> experiments;
  std::vector<std::string> checks;  ///< ids
};

/// Everything of a lab that belongs to the profile: all checks, and its experiments.
Selection select_all(Lab lab, Profile profile);

/// Reads targets "01", "01_proc_addr", "01/strings" (an experiment, whatever its profile) and
/// "01/01.alloc" (a check); none: every lab. Targets of one lab are put together. Throws UsageError
/// that lists what there is.
std::vector<Selection> select_targets(const std::vector<std::string>& targets, Profile profile);

struct SessionResult {
  report::Report report;
  std::vector<std::string> errors;  ///< one sentence for each experiment that could not be run
};

/// Builds the solutions, runs all that is selected and describes the environment.
SessionResult run_session(const std::vector<Selection>& selections, const RunOptions& options);

}  // namespace zcl::lab
