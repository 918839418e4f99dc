// SPDX-License-Identifier: MIT
// What the figures of a report were made with.
#include <gnu/libc-version.h>
#include <pcap/pcap.h>
#include <sys/utsname.h>

#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <system_error>
#include <thread>

#include "harness/base/file_descriptor.hh"
#include "harness/base/paths.hh"
#include "harness/base/process.hh"
#include "harness/lab/run.hh"
#include "harness/report/text.hh"
#include "harness/vm/kernel_package.hh"
#include "harness/vm/machine_template.hh"
#include "harness/vm/qemu_binary.hh"

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

/// What machines of a mode run on; count mode is TCG always, because only it counts.
std::string accelerator(const RunOptions& options, vm::Mode mode) {
  vm::MachineSpec spec;
  spec.kernel = options.kernel;
  spec.mode = mode;
  spec.accel = mode == vm::Mode::count ? vm::Accel::automatic : options.accel;
  return vm::choose_accelerator(spec).kvm ? "kvm" : "tcg";
}

std::string host_kernel() {
  utsname name{};
  return ::uname(&name) == 0 ? std::string(name.release) + " " + name.machine : kUnknown;
}

/// Versions of the libraries that have a say in a figure or in a report.
std::string library_versions() {
  const auto number = [](int value) { return std::to_string(value); };
  return "libstdc++ " + number(__GLIBCXX__) + ", glibc " + ::gnu_get_libc_version() +
         ", nlohmann-json " + number(NLOHMANN_JSON_VERSION_MAJOR) + "." +
         number(NLOHMANN_JSON_VERSION_MINOR) + "." + number(NLOHMANN_JSON_VERSION_PATCH) + ", " +
         ::pcap_lib_version();
}

}  // namespace

std::map<std::string, std::string> describe_environment(const RunOptions& options) {
  const auto kernel = vm::kernel_package(options.kernel);
  return {{"source_revision", source_revision()},
          {"kernel", kernel.release},
          {"kernel_package", kernel.package_version},
          {"qemu", vm::qemu_binary().version},
          {"accelerator_count_mode", accelerator(options, vm::Mode::count)},
          {"accelerator_speed_mode", accelerator(options, vm::Mode::speed)},
          {"cpu", cpu_model()},
          {"cpus", std::to_string(std::thread::hardware_concurrency())},
          {"host_kernel", host_kernel()},
          {"compiler", first_line({"g++", "--version"})},
          {"libraries", library_versions()}};
}

std::string program_version() {
  return "zcl, source revision " + source_revision();
}

}  // namespace zcl::lab
