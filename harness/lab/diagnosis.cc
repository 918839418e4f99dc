// SPDX-License-Identifier: MIT
#include "harness/lab/diagnosis.hh"

#include <sys/statvfs.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <functional>
#include <set>
#include <sstream>
#include <system_error>

#include "harness/base/error.hh"
#include "harness/base/file_descriptor.hh"
#include "harness/base/paths.hh"
#include "harness/base/process.hh"
#include "harness/vm/kernel_package.hh"
#include "harness/vm/machine_template.hh"
#include "harness/vm/qemu_binary.hh"

namespace zcl::lab {

namespace {

namespace fs = std::filesystem;
using Status = Finding::Status;

constexpr const char* kSetUp = "Run `make setup`.";
constexpr const char* kBuild = "Run `make build`.";

/// Room in /dev/shm: a template and two clones of 512 MiB machines touch less than the first; the
/// second is comfortable for machines of 6 GiB.
constexpr std::uint64_t kLeastSharedMemory = 1ULL << 30;
constexpr std::uint64_t kComfortableSharedMemory = 3ULL << 30;

Finding fine(const std::string& subject, const std::string& detail) {
  return {.subject = subject, .status = Status::fine, .detail = detail, .remedy = {}};
}
Finding missing(const std::string& subject, const std::string& detail, const std::string& remedy) {
  return {.subject = subject, .status = Status::missing, .detail = detail, .remedy = remedy};
}
Finding limited(const std::string& subject, const std::string& detail, const std::string& remedy) {
  return {.subject = subject, .status = Status::limited, .detail = detail, .remedy = remedy};
}

/// The finding of `look`, or that its subject is missing, in the error's own sentences (which say
/// what to do as well).
Finding finding_of(const std::string& subject, const std::function<std::string()>& look) {
  try {
    return fine(subject, look());
  } catch (const Error& error) {
    return missing(subject, error.what(), "");
  }
}

std::string gibibytes(std::uint64_t bytes) {
  std::ostringstream text;
  text.precision(1);
  text << std::fixed << static_cast<double>(bytes) / static_cast<double>(1ULL << 30) << " GiB";
  return text.str();
}

Finding find_qemu() {
  return finding_of("QEMU", [] {
    const auto& qemu = vm::qemu_binary();
    return qemu.version + ", " + qemu.path;
  });
}

Finding find_kernel(const std::string& series) {
  return finding_of("kernel " + series, [&] {
    const auto kernel = vm::kernel_package(series);
    if (!fs::exists(kernel.headers / "Makefile")) {
      throw EnvironmentError("The headers " + kernel.headers.string() + " are missing. " + kSetUp);
    }
    return kernel.release + ", package " + kernel.package_version + ", with its headers";
  });
}

Finding find_accelerator() {
  if (!fs::exists("/dev/kvm")) {
    return fine("accelerator", "TCG (emulation); this computer offers no /dev/kvm");
  }
  vm::MachineSpec spec;
  spec.mode = vm::Mode::speed;
  spec.accel = vm::Accel::kvm;
  try {
    static_cast<void>(vm::choose_accelerator(spec));
    return fine("accelerator", "KVM, proved by a probe; count mode always takes TCG");
  } catch (const Error& error) {
    return fine("accelerator",
                std::string("TCG (emulation). /dev/kvm is there, but: ") + error.what());
  }
}

Finding find_shared_memory() {
  constexpr const char* kRemedy =
      "Free some, or make it larger: mount -o remount,size=6G /dev/shm (as root).";
  try {
    const auto root = base::shared_memory_root();
    struct statvfs room {};
    base::check_system_call("statvfs", ::statvfs(root.c_str(), &room));
    const std::uint64_t free = std::uint64_t{room.f_bavail} * room.f_frsize;
    const std::string detail = gibibytes(free) + " free";
    if (free < kLeastSharedMemory) return missing("/dev/shm", detail, kRemedy);
    if (free < kComfortableSharedMemory) {
      return limited("/dev/shm", detail + "; machines of 6 GiB may not fit", kRemedy);
    }
    return fine("/dev/shm", detail);
  } catch (const Error& error) {
    return missing("/dev/shm", error.what(), "");
  }
}

/// Names of tools/packages.txt: one a line, comments behind "#".
std::set<std::string> wanted_packages() {
  std::set<std::string> packages;
  std::ifstream file(base::source_root() / "tools/packages.txt");
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line.substr(0, line.find('#')));
    if (std::string name; words >> name) packages.insert(name);
  }
  return packages;
}

Finding find_packages() {
  auto missing_ones = wanted_packages();
  const std::string count = std::to_string(missing_ones.size());
  base::Command query;
  query.argv = {"dpkg-query", "-W", "-f", "${db:Status-Status} ${Package}\n"};
  query.argv.insert(query.argv.end(), missing_ones.begin(), missing_ones.end());
  query.time_limit = std::chrono::seconds(20);
  try {
    std::istringstream lines(base::run_command(query).output);
    for (std::string status, name; lines >> status >> name;) {
      if (status == "installed") missing_ones.erase(name);
    }
  } catch (const std::system_error&) {
    return limited("packages", "not a Debian system: its packages cannot be looked up",
                   "See tools/packages.txt for what is needed.");
  }
  if (missing_ones.empty()) return fine("packages", "all " + count + " of tools/packages.txt");
  std::string list;
  for (const auto& name : missing_ones) list += " " + name;
  return missing("packages", "not installed:" + list, kSetUp);
}

Finding find_built(const std::string& subject, const std::string& file) {
  const auto path = base::build_root() / file;
  if (fs::exists(path)) return fine(subject, path.string());
  return missing(subject, "there is no " + path.string(), kBuild);
}

Finding find_out_directory() {
  const auto root = base::source_root();
  if (::access(root.c_str(), W_OK) == 0) return fine("results", (root / "out").string());
  return missing("results", root.string() + " cannot be written: reports go to out/ there",
                 "Use a copy of the sources that is yours.");
}

}  // namespace

std::vector<Finding> diagnose(const RunOptions& options) {
  return {find_packages(),
          find_qemu(),
          find_kernel(options.kernel),
          find_built("guest agent", "zcl_agent"),
          find_built("counting plugin", "zcl_count.so"),
          find_accelerator(),
          find_shared_memory(),
          find_out_directory()};
}

std::string to_string(Finding::Status status) {
  switch (status) {
    case Status::fine:
      return "fine";
    case Status::limited:
      return "limited";
    case Status::missing:
      return "missing";
  }
  return "missing";
}

}  // namespace zcl::lab
