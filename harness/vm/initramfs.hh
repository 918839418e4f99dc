// SPDX-License-Identifier: MIT
// The guest's first file system: the agent as /init, stock modules, and nothing else.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "harness/base/file_descriptor.hh"
#include "harness/vm/kernel_package.hh"

namespace zcl::vm {

/// A file of the archive.
struct ArchiveFile {
  std::string path;  ///< without a leading slash; its directories are made
  base::Bytes content;
  unsigned mode = 0644;
};

/// A "newc" cpio archive: the same files give the same bytes (no times, no owners).
base::Bytes make_cpio(const std::vector<ArchiveFile>& files);

/// The cached image for `kernel` that loads `boot_modules` before the agent says "ready", made when
/// it is not there. It carries the stock NIC drivers too, loaded or not. Throws EnvironmentError
/// (agent not built, kernel damaged), UsageError (no such module).
std::filesystem::path initramfs_image(const KernelPackage& kernel,
                                      const std::vector<std::string>& boot_modules);

}  // namespace zcl::vm
