// SPDX-License-Identifier: MIT
#include "harness/cli/command.hh"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <map>
#include <system_error>

#include "harness/base/file_descriptor.hh"

namespace zcl::cli {

namespace {

constexpr unsigned kMostRepeats = 10000;
constexpr unsigned kMostJobs = 64;

/// Writes all of `text` to standard output. A reader that went away (`zcl list | head`) is no
/// error of ours: SIGPIPE is ignored, and EPIPE ends the writing.
void write_out(const std::string& text) {
  const bool written =
      std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0;
  if (!written && errno != EPIPE) {
    throw EnvironmentError(std::string("Cannot write to standard output: ") + std::strerror(errno) +
                           ".");
  }
}

/// Why a file cannot be put at `path`; empty where it can.
std::string why_not_writable(const std::string& path) {
  if (path == "-") return {};
  const auto folder = std::filesystem::absolute(path).parent_path();
  std::string reason;
  if (std::filesystem::is_directory(path)) {
    reason = "it is a directory";
  } else if (::access(folder.c_str(), W_OK | X_OK) != 0) {
    reason = folder.string() + ": " + std::strerror(errno);
  }
  return reason.empty() ? reason : "Cannot write " + path + ": " + reason;
}

}  // namespace

void JsonOutput::write(const nlohmann::json& json) const {
  if (!wanted()) return;
  // Bytes that are not UTF-8 (from a guest's output) become U+FFFD instead of an exception.
  const std::string text =
      json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
  if (only_output()) {
    write_out(text);
    return;
  }
  try {
    base::write_file_atomically(path, std::string_view(text));
  } catch (const std::system_error& error) {
    throw UsageError("Cannot write " + path + ": " + error.code().message() +
                     ". Name a file in a directory that exists and can be written.");
  }
}

void add_json_option(CLI::App& command, JsonOutput& output) {
  // Found out before a long run, not after it.
  const CLI::Validator writable([](std::string& path) { return why_not_writable(path); }, "");
  command.add_option("--json", output.path, "Write the result as JSON; - is standard output")
      ->check(writable)
      ->type_name("FILE|-");
}

void add_machine_options(CLI::App& command, lab::RunOptions& options) {
  static const std::map<std::string, vm::Accel> accels = {
      {"auto", vm::Accel::automatic}, {"kvm", vm::Accel::kvm}, {"tcg", vm::Accel::tcg}};
  command
      .add_option_function<std::string>(
          "--accel", [&options](const std::string& name) { options.accel = accels.at(name); },
          "What QEMU runs on; auto takes KVM only where a probe has proved it")
      ->check(CLI::IsMember({"auto", "kvm", "tcg"}))
      ->type_name("auto|kvm|tcg");
  command.add_option("--kernel", options.kernel, "The guest's kernel series")
      ->type_name("VERSION")
      ->capture_default_str();
}

void add_seed_option(CLI::App& command, lab::RunOptions& options, const std::string& meaning) {
  // Digits only: what is negative would otherwise be taken for a very large number.
  const CLI::Validator digits(
      [](std::string& text) {
        return text.find_first_not_of("0123456789") == std::string::npos && text.size() < 20
                   ? std::string()
                   : "expected a whole number of at most 19 digits, not \"" + text + "\"";
      },
      "");
  command.add_option("--seed", options.seed, meaning)
      ->check(digits)
      ->type_name("N")
      ->capture_default_str();
}

void add_run_options(CLI::App& command, lab::RunOptions& options) {
  static const std::map<std::string, vm::Mode> modes = {{"count", vm::Mode::count},
                                                        {"speed", vm::Mode::speed}};
  command
      .add_option_function<std::string>(
          "--mode", [&options](const std::string& name) { options.mode = modes.at(name); },
          "Count instructions, or measure ratios of time (default: as each lab declares)")
      ->check(CLI::IsMember({"count", "speed"}))
      ->type_name("count|speed");
  add_machine_options(command, options);
  add_seed_option(command, options, "Of everything random; the same seed repeats a run");
  command.add_option("--repeat", options.repeat, "Runs of each, with seeds N, N+1, …")
      ->type_name("N")
      ->check(CLI::Range(1U, kMostRepeats))
      ->capture_default_str();
  command.add_option("--jobs", options.jobs, "Machines at once; what measures time runs alone")
      ->type_name("N")
      ->check(CLI::Range(1U, kMostJobs))
      ->capture_default_str();
}

void print(const std::string& text) {
  write_out(text);
}

report::TableStyle terminal_style() {
  const char* no_color = std::getenv("NO_COLOR");
  const bool color = ::isatty(STDOUT_FILENO) == 1 && (no_color == nullptr || no_color[0] == '\0');
  return {.width = 80, .color = color};
}

ExitStatus status_of(const std::vector<report::CheckResult>& checks) {
  const auto any = [&](report::CheckStatus status) {
    return std::any_of(checks.begin(), checks.end(),
                       [&](const auto& check) { return check.status == status; });
  };
  if (any(report::CheckStatus::environment)) return ExitStatus::environment;
  if (any(report::CheckStatus::failed) || any(report::CheckStatus::skipped)) {
    return ExitStatus::check_failed;
  }
  return ExitStatus::passed;
}

}  // namespace zcl::cli
