// SPDX-License-Identifier: MIT
// What the figures of a report were made with.
#include <CLI/Version.hpp>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <system_error>

#include "harness/base/file_descriptor.hh"
#include "harness/base/paths.hh"
#include "harness/base/process.hh"
#include "harness/lab/run.hh"
#include "harness/report/text.hh"

namespace zcl::lab {

namespace {

constexpr const char* kUnknown = "unknown";

/// The first line of what a program prints, or "unknown".
std::string first_line(const std::vector<std::string>& argv) {
  try {
    base::Command command;
    command.argv = argv;
    command.time_limit = std::chrono::seconds(10);
    const auto result = base::run_command(command);
    if (!result.ok()) return kUnknown;
    return report::printable(result.output.substr(0, result.output.find('\n')));
  } catch (const std::system_error&) {
    return kUnknown;
  }
}

std::string cpu_model() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("model name")) return line.substr(line.find(": ") + 2);
  }
  return kUnknown;
}

std::string source_revision() {
  const auto root = base::source_root().string();
  const auto revision = first_line({"git", "-C", root, "rev-parse", "HEAD"});
  if (revision == kUnknown) return kUnknown;
  const auto changes = first_line({"git", "-C", root, "status", "--porcelain"});
  return revision + (changes.empty() ? "" : "-dirty");
}

}  // namespace

std::map<std::string, std::string> describe_environment(const RunOptions& options) {
  return {{"source_revision", source_revision()},
          {"kernel_series", options.kernel},
          {"qemu", first_line({"qemu-system-x86_64", "--version"})},
          {"cpu", cpu_model()},
          {"compiler", first_line({"g++", "--version"})},
          {"libraries", std::string("CLI11 ") + CLI11_VERSION}};
}

std::string program_version() {
  return "zcl, source revision " + source_revision();
}

}  // namespace zcl::lab
