// SPDX-License-Identifier: MIT
// The modules that came with the guest's kernel, and what each needs.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "harness/base/file_descriptor.hh"

namespace zcl::vm {

/// A module file and the modules it needs.
struct StockModule {
  std::string name;                ///< underscores, as the kernel knows it
  std::filesystem::path path;      ///< relative to the tree, without ".xz": "kernel/…/e1000.ko"
  base::Bytes image;               ///< uncompressed ELF
  std::vector<std::string> needs;  ///< names, from `depends=` in .modinfo
};

/// A kernel's module tree. Debian's packages ship it without modules.dep, so what a module needs is
/// read from the module itself.
class StockModuleTree {
 public:
  /// `tree`: ".../lib/modules/<release>". Throws EnvironmentError.
  explicit StockModuleTree(std::filesystem::path tree);

  /// `names` with all they need, each after what it needs. A name that the kernel has built in is
  /// left out. Throws UsageError for one that does not exist, EnvironmentError for a damaged file.
  [[nodiscard]] std::vector<StockModule> closure(const std::vector<std::string>& names) const;
  /// Content of modules.builtin.
  [[nodiscard]] const std::string& built_in() const { return built_in_; }

 private:
  [[nodiscard]] bool is_built_in(const std::string& name) const;
  [[nodiscard]] StockModule load(const std::string& name) const;

  std::filesystem::path tree_;
  std::map<std::string, std::filesystem::path> files_;  ///< by name; relative to the tree
  std::string built_in_;
};

/// The content of section `name` of a 64-bit ELF file. Throws std::invalid_argument.
base::Bytes elf_section(base::ByteView image, const std::string& name);

/// The values of `key` in the .modinfo section of a module ("depends", "license"…). Throws
/// std::invalid_argument when `image` is no such file.
std::vector<std::string> modinfo(base::ByteView image, const std::string& key);

}  // namespace zcl::vm
