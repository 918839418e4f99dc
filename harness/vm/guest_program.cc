// SPDX-License-Identifier: MIT
#include "harness/vm/guest_program.hh"

#include <sstream>

#include "harness/base/error.hh"
#include "harness/base/file_descriptor.hh"
#include "harness/base/process.hh"

namespace zcl::vm {

namespace {

constexpr unsigned kExecutable = 0755;

}  // namespace

std::vector<std::filesystem::path> shared_libraries(const std::filesystem::path& program) {
  const auto result = base::run_command({.argv = {"ldd", program.string()},
                                         .environment = {{"LC_ALL", "C"}},
                                         .time_limit = std::chrono::seconds(60)});
  const bool is_static = (result.output + result.error).find("not a dynamic") != std::string::npos;
  if (is_static) return {};
  if (!result.ok()) throw EnvironmentError("ldd " + program.string() + ": " + result.error);
  std::vector<std::filesystem::path> libraries;
  std::istringstream lines(result.output);
  // "libc.so.6 => /lib/…/libc.so.6 (0x…)", "/lib64/ld-linux-x86-64.so.2 (0x…)", "… => not found";
  // the kernel's own has no path.
  for (std::string line; std::getline(lines, line);) {
    if (line.find("not found") != std::string::npos) {
      throw EnvironmentError(program.string() + " needs a library that is not installed:" + line);
    }
    const auto begin = line.find('/');
    const auto end = line.find(" (");
    if (begin != std::string::npos && end != std::string::npos && begin < end) {
      libraries.emplace_back(line.substr(begin, end - begin));
    }
  }
  return libraries;
}

void put_program(AgentClient& agent, const std::filesystem::path& program,
                 const std::string& guest_path) {
  for (const auto& library : shared_libraries(program)) {
    agent.put_file(library, base::read_file(library), kExecutable);
  }
  agent.put_file(guest_path, base::read_file(program), kExecutable);
}

}  // namespace zcl::vm
