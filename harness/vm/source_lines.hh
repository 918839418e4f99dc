// SPDX-License-Identifier: MIT
// Source lines of a kernel module, from the DWARF in its .ko.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

namespace zcl::vm {

/// A module's object file (relocatable ELF with debug information), opened once.
class SourceLines {
 public:
  /// A file that cannot be read resolves nothing.
  explicit SourceLines(const std::filesystem::path& object);
  SourceLines(SourceLines&&) noexcept;
  SourceLines& operator=(SourceLines&&) noexcept;
  ~SourceLines();

  /// "file.c:42" for the instruction `offset` bytes into `function`, or empty. Of several functions
  /// of that name the one whose size comes nearest to `size` (0: any). Any section may hold it
  /// (.text, .init.text, .exit.text): symbols are relative to their section in a module.
  [[nodiscard]] std::string locate(const std::string& function, std::uint64_t offset,
                                   std::uint64_t size) const;

 private:
  struct Session;
  std::unique_ptr<Session> session_;
};

}  // namespace zcl::vm
