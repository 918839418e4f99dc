// SPDX-License-Identifier: MIT
#include "harness/grade/sandbox.hh"

#include <system_error>
#include <vector>

#include "harness/base/paths.hh"

namespace zcl::grade {

namespace {

// A module and its programs build in less than a tenth of each of these.
constexpr const char* kMemoryBytes = "--as=4294967296";
constexpr const char* kProcessorSeconds = "--cpu=300";
constexpr const char* kFileBytes = "--fsize=268435456";

std::vector<std::string> confinement(const std::string& tree) {
  std::vector<std::string> argv = {
      "bwrap",         "--unshare-all",     "--die-with-parent", "--new-session", "--cap-drop",
      "ALL",           "--clearenv",        "--ro-bind",         "/usr",          "/usr",
      "--ro-bind-try", "/etc/alternatives", "/etc/alternatives"};
  for (const char* directory : {"bin", "sbin", "lib", "lib64"}) {
    argv.insert(argv.end(),
                {"--symlink", std::string("usr/") + directory, std::string("/") + directory});
  }
  argv.insert(argv.end(), {"--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", "--setenv",
                           "PATH", "/usr/sbin:/usr/bin:/sbin:/bin", "--setenv", "HOME", "/tmp",
                           "--setenv", "LC_ALL", "C"});
  // The guest kernel's headers; after /tmp, which may hold the checkout.
  const std::string kernels = base::cache_root() / "kernels";
  argv.insert(argv.end(), {"--ro-bind-try", kernels, kernels});
  if (!tree.empty()) argv.insert(argv.end(), {"--bind", tree, tree, "--chdir", tree});
  argv.insert(argv.end(), {"--", "prlimit", kMemoryBytes, kProcessorSeconds, kFileBytes, "--"});
  return argv;
}

}  // namespace

lab::CommandRunner sandboxed(const std::filesystem::path& tree) {
  return [tree = std::filesystem::absolute(tree)](const base::Command& command) {
    base::Command confined = command;
    confined.argv = confinement(tree);
    confined.argv.emplace_back("env");
    if (!command.directory.empty()) {
      confined.argv.insert(confined.argv.end(), {"-C", command.directory});
    }
    for (const auto& [name, value] : command.environment) {
      confined.argv.push_back(name + "=" + value);
    }
    confined.argv.insert(confined.argv.end(), command.argv.begin(), command.argv.end());
    confined.directory.clear();
    confined.environment.clear();
    return base::run_command(confined);
  };
}

std::string why_no_sandbox() {
  base::Command probe;
  probe.argv = confinement({});
  probe.argv.emplace_back("true");
  probe.time_limit = std::chrono::seconds(20);
  try {
    const auto result = base::run_command(probe);
    if (result.ok()) return {};
    return result.error.empty() ? "bwrap did not finish"
                                : result.error.substr(0, result.error.find('\n'));
  } catch (const std::system_error&) {
    return "the program bwrap is not installed (Debian package bubblewrap)";
  }
}

}  // namespace zcl::grade
