// SPDX-License-Identifier: MIT
// Mutants: known mistakes, each of which must lose exactly the points it should.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "harness/lab/declaration.hh"

namespace zcl::grade {

/// labs/NN_name/mutants/NAME.patch: header lines "Mistake: …" and "Loses: 01.alloc, 01.find", then
/// a unified diff against the lab's folder that touches only student files.
struct Mutant {
  std::string name;
  std::string mistake;
  std::vector<std::string> loses;  ///< checks that do not pass, the skipped ones among them; sorted
  std::filesystem::path patch;
};

/// All mutants of a lab, by name. Throws UsageError "file: what was expected", also for a check
/// that the lab does not have.
std::vector<Mutant> load_mutants(const lab::Lab& lab);

/// Writes the lab's student files with the mistake applied to `to`: a submission. Throws UsageError
/// where the patch does not apply.
void write_mutant(const lab::Lab& lab, const Mutant& mutant, const std::filesystem::path& to);

}  // namespace zcl::grade
