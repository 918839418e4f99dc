// SPDX-License-Identifier: MIT
// A directory that does not outlive us.
#pragma once

#include <sys/types.h>

#include <filesystem>

#include "harness/base/file_descriptor.hh"

namespace zcl::base {

/// A directory of our own, removed with all that is in it when this object goes, and as well when
/// the process ends in any other way, SIGKILL included: a small process waits for that.
class WorkDirectory {
 public:
  /// Makes `parent` and in it a directory with a name of its own. Throws std::system_error.
  explicit WorkDirectory(const std::filesystem::path& parent);
  ~WorkDirectory();
  WorkDirectory(const WorkDirectory&) = delete;
  WorkDirectory& operator=(const WorkDirectory&) = delete;

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
  FileDescriptor alive_;  ///< a pipe's writing end: the remover acts when its last copy is closed
  pid_t remover_ = 0;
};

}  // namespace zcl::base
