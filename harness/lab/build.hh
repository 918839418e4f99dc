// SPDX-License-Identifier: MIT
// Building a lab: a staged copy of its tree, then its own Makefile.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <stdexcept>
#include <string>

#include "harness/base/process.hh"
#include "harness/lab/declaration.hh"

namespace zcl::lab {

/// The seam for the sandbox: how a build command is run. Default: base::run_command.
using CommandRunner = std::function<base::CommandResult(const base::Command&)>;

/// A built lab. Artefacts are found by the names lab.json gives them.
struct BuiltLab {
  Lab lab;
  std::filesystem::path tree;  ///< staged: labs/common beside labs/NN_name
  std::string log;             ///< what make and the compiler printed; empty: nothing to rebuild
  /// The path of one of lab.modules or lab.programs. Throws EnvironmentError where the build did
  /// not make it.
  [[nodiscard]] std::filesystem::path artefact(const std::string& relative) const;
};

/// The compiler refused the sources. The message is its output, paths relative to the lab.
class BuildFailed : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Copies labs/common and the lab's folder to `to` (files that did not change keep their times, so
/// make rebuilds what changed). Products of a build in the source tree, host/ and mutants/ stay
/// behind. With `overlay`, the lab's student_files come from that directory; UsageError where one
/// of them is missing there or is not a regular file.
void stage(const Lab& lab, const std::filesystem::path& to,
           const std::optional<std::filesystem::path>& overlay = {});

/// Builds a staged tree for the kernel series. Throws BuildFailed, EnvironmentError.
BuiltLab build(const Lab& lab, const std::filesystem::path& tree, const std::string& kernel,
               const CommandRunner& runner = {});

/// The solution: staged and built under build/labs/, once per process.
const BuiltLab& built_solution(const Lab& lab, const std::string& kernel);

}  // namespace zcl::lab
