// SPDX-License-Identifier: MIT
#include "harness/base/paths.hh"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "harness/base/error.hh"

namespace zcl::base {

std::filesystem::path source_root() {
  return ZCL_SOURCE_ROOT;
}
std::filesystem::path build_root() {
  return ZCL_BUILD_ROOT;
}
std::filesystem::path cache_root() {
  return source_root() / "build" / "cache";  // one for all build trees
}

std::filesystem::path shared_memory_root() {
  const std::filesystem::path root = "/dev/shm/zcl-" + std::to_string(::getuid());
  if (::mkdir(root.c_str(), 0700) < 0 && errno != EEXIST) {
    throw EnvironmentError("Cannot make " + root.string() + ": " + std::strerror(errno) +
                           ". Guest memory lives there; make /dev/shm a writable tmpfs.");
  }
  struct stat status {};
  if (::lstat(root.c_str(), &status) < 0 || !S_ISDIR(status.st_mode) ||
      status.st_uid != ::getuid() || (status.st_mode & 0077) != 0) {
    throw EnvironmentError(root.string() +
                           " is not a private directory of yours. Remove it and try again.");
  }
  return root;
}

std::filesystem::path out_root() {
  const auto root = source_root() / "out";
  std::filesystem::create_directories(root);
  return root;
}

}  // namespace zcl::base
