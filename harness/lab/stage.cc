// SPDX-License-Identifier: MIT
// Staging: a lab's tree copied to where it is built.
#include <algorithm>
#include <array>
#include <fstream>
#include <set>
#include <sstream>
#include <string_view>

#include "harness/base/error.hh"
#include "harness/base/file_descriptor.hh"
#include "harness/base/paths.hh"
#include "harness/lab/build.hh"

namespace zcl::lab {

namespace {

namespace fs = std::filesystem;

/// Names of what was staged last, one a line: what left the source tree must leave the stage too.
constexpr const char* kStagedList = ".staged";

bool is_product(const fs::path& path) {
  static constexpr std::array<std::string_view, 9> kEndings = {
      ".o", ".ko", ".mod", ".mod.c", ".cmd", ".d", ".a", "Module.symvers", "modules.order"};
  const std::string name = path.filename();
  return std::any_of(kEndings.begin(), kEndings.end(),
                     [&](std::string_view ending) { return name.ends_with(ending); });
}

/// The harness's side of a lab, and build directories of kbuild.
bool is_left_behind(const fs::path& folder) {
  const std::string name = folder.filename();
  return name == "host" || name == "mutants" || name.starts_with(".");
}

/// Copies `from` over `to` unless both hold the same bytes already.
void copy_if_changed(const fs::path& from, const fs::path& to) {
  const auto content = base::read_text_file(from);
  if (fs::is_regular_file(fs::symlink_status(to)) && fs::file_size(to) == content.size() &&
      base::read_text_file(to) == content) {
    return;
  }
  fs::remove(to);
  fs::create_directories(to.parent_path());
  base::write_file_atomically(to, content);
  fs::permissions(to, fs::status(from).permissions() | fs::perms::owner_write);
}

/// Relative paths of the sources below `root`.
std::set<std::string> sources_below(const fs::path& root, const std::set<std::string>& products) {
  std::set<std::string> found;
  for (auto entry = fs::recursive_directory_iterator(root);
       entry != fs::recursive_directory_iterator(); ++entry) {
    if (entry->is_directory() && is_left_behind(entry->path())) {
      entry.disable_recursion_pending();
      continue;
    }
    const std::string relative = entry->path().lexically_relative(root);
    if (entry->is_regular_file() && !is_product(entry->path()) && !products.contains(relative)) {
      found.insert(relative);
    }
  }
  return found;
}

void remove_what_left(const fs::path& folder, const std::set<std::string>& staged) {
  std::ifstream list(folder / kStagedList);
  for (std::string name; std::getline(list, name);) {
    if (!staged.contains(name)) fs::remove(folder / name);
  }
}

void stage_folder(const fs::path& from, const fs::path& to, const std::set<std::string>& products,
                  const std::set<std::string>& overlaid) {
  fs::create_directories(to);
  const auto sources = sources_below(from, products);
  remove_what_left(to, sources);
  std::string list;
  for (const auto& source : sources) {
    list += source + "\n";
    if (!overlaid.contains(source)) copy_if_changed(from / source, to / source);
  }
  base::write_file_atomically(to / kStagedList, list);
}

}  // namespace

void stage(const Lab& lab, const fs::path& to, const std::optional<fs::path>& overlay) {
  const std::set<std::string> programs(lab.programs.begin(), lab.programs.end());
  std::set<std::string> common_programs;
  for (const auto& program : programs) {
    constexpr std::string_view kCommon = "../common/";
    if (program.starts_with(kCommon)) common_programs.insert(program.substr(kCommon.size()));
  }
  const auto common = lab.folder.parent_path() / "common";
  if (fs::is_directory(common)) stage_folder(common, to / "common", common_programs, {});

  std::set<std::string> overlaid;
  if (overlay) overlaid.insert(lab.student_files.begin(), lab.student_files.end());
  stage_folder(lab.folder, to / lab.id, programs, overlaid);
  for (const auto& file : overlaid) {
    if (!fs::is_regular_file(fs::symlink_status(*overlay / file))) {
      throw UsageError("The submission has no regular file " + file +
                       ". It must hold: every file " + "of student_files in the lab's lab.json.");
    }
    copy_if_changed(*overlay / file, to / lab.id / file);
  }
}

}  // namespace zcl::lab
