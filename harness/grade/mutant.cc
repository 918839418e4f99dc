// SPDX-License-Identifier: MIT
#include "harness/grade/mutant.hh"

#include <algorithm>
#include <sstream>

#include "harness/base/error.hh"
#include "harness/base/file_descriptor.hh"
#include "harness/base/process.hh"
#include "harness/grade/submission.hh"

namespace zcl::grade {

namespace fs = std::filesystem;

namespace {

/// The value of the header line "Key: value". Throws UsageError when it is missing.
std::string header(const fs::path& patch, const std::string& text, const std::string& key) {
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line) && !line.starts_with("--- ");) {
    if (line.starts_with(key + ": ")) return line.substr(key.size() + 2);
  }
  throw UsageError(patch.string() + ": expected a line \"" + key + ": …\" before the diff");
}

std::vector<std::string> split_list(const std::string& text) {
  std::vector<std::string> items;
  std::istringstream stream(text);
  for (std::string item; std::getline(stream >> std::ws, item, ',');) items.push_back(item);
  std::sort(items.begin(), items.end());
  return items;
}

}  // namespace

std::vector<Mutant> load_mutants(const lab::Lab& lab) {
  std::vector<Mutant> mutants;
  const fs::path folder = lab.folder / "mutants";
  if (!fs::is_directory(folder)) return mutants;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.path().extension() != ".patch") continue;
    const std::string text = base::read_text_file(entry.path());
    Mutant mutant{.name = entry.path().stem(),
                  .mistake = header(entry.path(), text, "Mistake"),
                  .loses = split_list(header(entry.path(), text, "Loses")),
                  .patch = entry.path()};
    for (const auto& id : mutant.loses) {
      if (std::ranges::none_of(lab.checks, [&](const auto& check) { return check.id == id; })) {
        throw UsageError(entry.path().string() + ": lab " + lab.id + " has no check " + id);
      }
    }
    mutants.push_back(std::move(mutant));
  }
  std::sort(mutants.begin(), mutants.end(),
            [](const Mutant& a, const Mutant& b) { return a.name < b.name; });
  return mutants;
}

void write_mutant(const lab::Lab& lab, const Mutant& mutant, const fs::path& to) {
  take_submission(lab, lab.folder, to);
  // --fuzz=0: a patch that no longer fits its source exactly must be looked at, not guessed.
  const auto result =
      base::run_command({.argv = {"patch", "--strip=1", "--fuzz=0", "--force",
                                  "--no-backup-if-mismatch", "--input", mutant.patch.string()},
                         .directory = to.string()});
  if (!result.ok()) {
    throw UsageError(mutant.patch.string() + ": the patch does not apply: " + result.output +
                     result.error);
  }
}

}  // namespace zcl::grade
