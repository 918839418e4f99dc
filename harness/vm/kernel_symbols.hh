// SPDX-License-Identifier: MIT
// Addresses (kallsyms of the booted template) and structure layouts (BTF) of the guest kernel.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "harness/vm/guest_memory.hh"

namespace zcl::vm {

/// Immutable once made. Throws EnvironmentError when a file is missing or damaged.
class KernelSymbols {
 public:
  /// `kallsyms`: text of /proc/kallsyms. `btf`: content of /sys/kernel/btf/vmlinux.
  KernelSymbols(const std::string& kallsyms, base::ByteView btf);
  KernelSymbols(KernelSymbols&&) noexcept;
  KernelSymbols& operator=(KernelSymbols&&) noexcept;
  ~KernelSymbols();

  /// Throws std::out_of_range naming the symbol.
  [[nodiscard]] VirtualAddress address(const std::string& symbol) const;
  [[nodiscard]] std::optional<VirtualAddress> find(const std::string& symbol) const;
  /// The symbol at or below `address` and how far it is, among the kernel's own symbols; nothing
  /// where the address lies below all of them.
  struct Nearest {
    std::string symbol;
    std::uint64_t distance = 0;
  };
  [[nodiscard]] std::optional<Nearest> nearest(VirtualAddress address) const;
  /// Offset in bytes of `member` ("mm", "se.on_rq") in `struct type`. Anonymous members are
  /// searched. Throws std::out_of_range.
  [[nodiscard]] std::uint64_t offset(const std::string& type, const std::string& member) const;
  [[nodiscard]] std::uint64_t size(const std::string& type) const;
  /// Whether `struct type` exists and has `member`: kernels differ.
  [[nodiscard]] bool has_member(const std::string& type, const std::string& member) const;
  /// The value of `name` in `enum type` ("pageflags", "PG_slab"), or nothing.
  [[nodiscard]] std::optional<std::uint64_t> enumerator(const std::string& type,
                                                        const std::string& name) const;

 private:
  struct Tables;
  std::unique_ptr<Tables> tables_;
};

}  // namespace zcl::vm
