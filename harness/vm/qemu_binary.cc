// SPDX-License-Identifier: MIT
#include "harness/vm/qemu_binary.hh"

#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <sstream>

#include "harness/base/error.hh"
#include "harness/base/file_descriptor.hh"
#include "harness/base/paths.hh"
#include "harness/base/process.hh"

namespace zcl::vm {

namespace {

constexpr const char* kName = "qemu-system-x86_64";
constexpr const char* kRemedy = "run `make setup`, or `apt-get install qemu-system-x86`";
constexpr std::chrono::seconds kVersionLimit{30};

std::string find_in_path() {
  const char* path = std::getenv("PATH");
  std::istringstream directories(path != nullptr ? path : "");
  for (std::string directory; std::getline(directories, directory, ':');) {
    const auto candidate = std::filesystem::path(directory) / kName;
    if (::access(candidate.c_str(), X_OK) == 0) return candidate.string();
  }
  throw EnvironmentError(std::string("QEMU (") + kName + ") is not installed: " + kRemedy + ".");
}

std::string ask_version(const std::string& path) {
  base::CommandResult result;
  try {
    base::Command command;
    command.argv = {path, "--version"};
    command.time_limit = kVersionLimit;
    result = base::run_command(command);
  } catch (const std::system_error& error) {
    throw EnvironmentError(path + " cannot be run (" + error.what() + "): " + kRemedy + ".");
  }
  const std::string prefix = "QEMU emulator version ";
  const auto line = result.output.substr(0, result.output.find('\n'));
  if (!result.ok() || !line.starts_with(prefix)) {
    throw EnvironmentError(path + " does not say which version it is: " + kRemedy + ".");
  }
  return line.substr(prefix.size());
}

/// What changes when the file at `path` does.
nlohmann::json identity(const std::string& path) {
  return {{"path", path},
          {"size", std::filesystem::file_size(path)},
          {"modified", std::filesystem::last_write_time(path).time_since_epoch().count()}};
}

QemuBinary look() {
  const std::string path = find_in_path();
  const auto who = identity(path);
  const auto cache = base::cache_root() / "qemu.json";
  QemuBinary found{path, {}};
  try {
    const auto cached = nlohmann::json::parse(base::read_text_file(cache.string()));
    if (cached.at("binary") == who) found.version = cached.at("version").get<std::string>();
  } catch (const std::exception&) {  // not there, or not ours: ask again
  }
  if (found.version.empty()) {
    found.version = ask_version(path);
    try {
      std::filesystem::create_directories(base::cache_root());
      const nlohmann::json answer = {{"binary", who}, {"version", found.version}};
      base::write_file_atomically(cache.string(), answer.dump());
    } catch (const std::system_error&) {  // asked again next time
    }
  }
  if (!is_new_enough(found.version)) {
    throw EnvironmentError(path + " is version " + found.version +
                           ", and 7.2 or newer is needed: " + kRemedy + ".");
  }
  return found;
}

}  // namespace

bool is_new_enough(const std::string& version) {
  unsigned major = 0;
  unsigned minor = 0;
  if (std::sscanf(version.c_str(), "%u.%u", &major, &minor) != 2) return false;
  return major > 7 || (major == 7 && minor >= 2);
}

const QemuBinary& qemu_binary() {
  static const QemuBinary binary = look();
  return binary;
}

}  // namespace zcl::vm
