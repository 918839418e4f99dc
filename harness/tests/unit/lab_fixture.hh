// SPDX-License-Identifier: MIT
// The tiny lab of harness/tests/data/labs, and directories of a test's own.
#pragma once

#include <cstdlib>
#include <filesystem>

#include "harness/base/file_descriptor.hh"
#include "harness/base/paths.hh"
#include "harness/lab/declaration.hh"

namespace zcl::lab {

inline std::filesystem::path tiny_lab_folder() {
  return base::source_root() / "harness/tests/data/labs/99_tiny";
}

inline Lab tiny_lab() {
  return load_lab(tiny_lab_folder() / "lab.json");
}

/// A directory that is removed at the end.
class ScratchDirectory {
 public:
  ScratchDirectory() {
    std::string name = std::filesystem::temp_directory_path() / "zcl-test-XXXXXX";
    if (::mkdtemp(name.data()) == nullptr) base::throw_system_error("mkdtemp");
    path_ = name;
  }
  ~ScratchDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  ScratchDirectory(const ScratchDirectory&) = delete;
  ScratchDirectory& operator=(const ScratchDirectory&) = delete;
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

}  // namespace zcl::lab
