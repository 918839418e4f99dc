// SPDX-License-Identifier: MIT
// The guest's kernel, as set-up left it in the cache.
#pragma once

#include <filesystem>
#include <string>

namespace zcl::vm {

/// What `build/cache/kernels/<series>/kernel.json` says. All paths are absolute.
struct KernelPackage {
  std::string series;             ///< "6.1", a key of harness/vm/kernels.json
  std::string release;            ///< "6.1.0-56-amd64", what uname -r says in the guest
  std::string package_version;    ///< of the Debian package, "6.1.192-2"
  std::filesystem::path headers;  ///< what a module is built against
  std::filesystem::path modules;  ///< ".../lib/modules/<release>"
  std::filesystem::path vmlinux;  ///< uncompressed ELF with a PVH entry
  /// The bzImage. It unpacks itself, which takes longer, but only its own start-up code can enter
  /// 5-level paging.
  std::filesystem::path vmlinuz;
};

/// Throws UsageError for a series that kernels.json does not name, EnvironmentError when set-up has
/// not fetched it, or what it fetched is gone or damaged.
KernelPackage kernel_package(const std::string& series);

}  // namespace zcl::vm
