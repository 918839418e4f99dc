// SPDX-License-Identifier: MIT
#include "harness/lab/build.hh"

#include <fcntl.h>
#include <sys/file.h>

#include <map>

#include "harness/base/error.hh"
#include "harness/base/file_descriptor.hh"
#include "harness/base/paths.hh"
#include "harness/report/text.hh"
#include "harness/vm/kernel_package.hh"

namespace zcl::lab {

namespace {

namespace fs = std::filesystem;

/// The most of a compiler's output that a person is shown.
constexpr std::size_t kShownOutput = 8000;

std::string headers_of(const std::string& kernel) {
  const auto headers = vm::kernel_package(kernel).headers;
  if (!fs::exists(headers / "Makefile")) {
    throw EnvironmentError("The kernel headers " + headers.string() +
                           " are missing. Run `make setup`.");
  }
  return headers;
}

base::Command make_command(const Lab& lab, const fs::path& tree, const std::string& headers) {
  base::Command command;
  command.argv = {"make", "--no-print-directory", "-j2", "KDIR=" + headers, "W=1"};
  command.directory = tree / lab.id;
  // Of a make that may have started us: its job server and variables are not for this build.
  command.environment = {{"MAKEFLAGS", ""}, {"MFLAGS", ""}, {"MAKELEVEL", "0"}, {"LC_ALL", "C"}};
  command.time_limit = std::chrono::seconds(600);
  return command;
}

/// Compiler output with paths relative to the lab, cut at the front where it is very long.
std::string readable(std::string output, const fs::path& folder) {
  const std::string prefix = folder.string() + "/";
  for (auto at = output.find(prefix); at != std::string::npos; at = output.find(prefix, at)) {
    output.erase(at, prefix.size());
  }
  if (output.size() > kShownOutput) {
    output = "[…]\n" + output.substr(output.find('\n', output.size() - kShownOutput) + 1);
  }
  return report::printable(output);
}

/// Held while the solution is staged and built: two programs at once would disturb each other.
base::FileDescriptor lock_directory(const fs::path& directory) {
  fs::create_directories(directory);
  base::FileDescriptor lock(base::check_system_call(
      "open build lock",
      ::open((directory / ".lock").c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600)));
  base::check_system_call("flock", ::flock(lock.get(), LOCK_EX));
  return lock;
}

}  // namespace

fs::path BuiltLab::artefact(const std::string& relative) const {
  const auto path = (tree / lab.id / relative).lexically_normal();
  if (!fs::is_regular_file(path)) {
    throw EnvironmentError("The build of lab " + lab.id + " did not make " + relative +
                           ", which its lab.json names.");
  }
  return path;
}

BuiltLab build(const Lab& lab, const fs::path& tree, const std::string& kernel,
               const CommandRunner& runner) {
  const auto command = make_command(lab, tree, headers_of(kernel));
  const auto result = runner ? runner(command) : base::run_command(command);
  const auto log = readable(result.output + result.error, tree / lab.id);
  if (result.timed_out) {
    throw BuildFailed("The build did not end within " + std::to_string(command.time_limit.count()) +
                      " seconds.\n" + log);
  }
  if (!result.ok()) throw BuildFailed(log);
  BuiltLab built{.lab = lab, .tree = tree, .log = log};
  for (const auto& module : lab.modules) static_cast<void>(built.artefact(module));
  for (const auto& program : lab.programs) static_cast<void>(built.artefact(program));
  return built;
}

const BuiltLab& built_solution(const Lab& lab, const std::string& kernel) {
  static std::map<std::pair<std::string, std::string>, BuiltLab> built;
  const auto key = std::make_pair(lab.id, kernel);
  const auto found = built.find(key);
  if (found != built.end()) return found->second;
  const auto tree = base::build_root() / "labs" / kernel;
  const auto lock = lock_directory(tree);
  stage(lab, tree);
  try {
    return built.emplace(key, build(lab, tree, kernel)).first->second;
  } catch (const BuildFailed& failure) {
    throw EnvironmentError("Lab " + lab.id + " does not build:\n" + failure.what());
  }
}

}  // namespace zcl::lab
