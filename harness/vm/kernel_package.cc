// SPDX-License-Identifier: MIT
#include "harness/vm/kernel_package.hh"

#include <nlohmann/json.hpp>
#include <system_error>

#include "harness/base/error.hh"
#include "harness/base/file_descriptor.hh"
#include "harness/base/paths.hh"

namespace zcl::vm {

namespace {

void require_known_series(const std::string& series) {
  const auto path = base::source_root() / "harness/vm/kernels.json";
  try {
    const auto kernels = nlohmann::json::parse(base::read_text_file(path), nullptr, true, true);
    const auto& known = kernels.at("series");
    if (known.contains(series)) return;
    std::string names;
    for (const auto& [name, unused] : known.items()) names += (names.empty() ? "" : ", ") + name;
    throw UsageError("There is no kernel series \"" + series + "\"; there are: " + names + ".");
  } catch (const nlohmann::json::exception& error) {
    throw EnvironmentError(path.string() + " cannot be understood: " + error.what());
  } catch (const std::system_error& error) {
    throw EnvironmentError(path.string() + " cannot be read: " + error.code().message());
  }
}

/// What to type to have the series fetched.
std::string remedy(const std::string& series) {
  return series == "6.1" ? "run `make setup`" : "run `tools/setup --kernel " + series + "`";
}

}  // namespace

KernelPackage kernel_package(const std::string& series) {
  require_known_series(series);
  const auto path = base::cache_root() / "kernels" / series / "kernel.json";
  KernelPackage package;
  try {
    const auto json = nlohmann::json::parse(base::read_text_file(path));
    package.series = json.at("series").get<std::string>();
    package.release = json.at("release").get<std::string>();
    package.package_version = json.at("package_version").get<std::string>();
    package.headers = json.at("headers").get<std::string>();
    package.modules = json.at("modules").get<std::string>();
    package.vmlinux = json.at("vmlinux").get<std::string>();
    package.vmlinuz = json.value("vmlinuz", "");
  } catch (const std::system_error&) {
    throw EnvironmentError("The guest kernel " + series + " is not there: " + remedy(series) + ".");
  } catch (const nlohmann::json::exception& error) {
    throw EnvironmentError(path.string() + " is damaged (" + error.what() + "): remove it and " +
                           remedy(series) + ".");
  }
  for (const auto& part : {package.modules, package.vmlinux}) {
    if (!std::filesystem::exists(part)) {
      throw EnvironmentError("The guest kernel " + series + " lacks " + part.string() + ": " +
                             remedy(series) + ".");
    }
  }
  return package;
}

}  // namespace zcl::vm
