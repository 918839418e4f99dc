// SPDX-License-Identifier: MIT
// The guest kernel's data structures, read by the host from guest memory. Whatever stands there may
// be garbage: every read says whether it succeeded, every list has a longest length.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <functional>
#include <optional>
#include <string>

#include "harness/vm/guest_memory.hh"
#include "harness/vm/kernel_symbols.hh"
#include "harness/vm/machine.hh"
#include "harness/vm/page_table.hh"

namespace zcl::vm {

/// Refers to memory and symbols, which must outlive it.
class KernelView {
 public:
  /// `space`: any address space of the guest that maps the kernel.
  KernelView(const GuestMemory& memory, const KernelSymbols& symbols, AddressSpace space)
      : memory_(memory), symbols_(symbols), space_(space) {}
  /// The view of a paused machine, through the page tables its CPU 0 uses. Throws EnvironmentError
  /// when they do not map the kernel.
  static KernelView of(Machine& machine);

  [[nodiscard]] const GuestMemory& memory() const { return memory_; }
  [[nodiscard]] const KernelSymbols& symbols() const { return symbols_; }
  [[nodiscard]] const AddressSpace& space() const { return space_; }

  /// The physical address behind a kernel address, or nothing where none is mapped.
  [[nodiscard]] std::optional<PhysicalAddress> translate(VirtualAddress address) const;
  /// `length` bytes from `address` on, over as many pages as it takes. False: not all there.
  [[nodiscard]] bool read(VirtualAddress address, void* to, std::size_t length) const;

  template <typename T>
  [[nodiscard]] std::optional<T> load(VirtualAddress address) const {
    T value{};
    if (!read(address, &value, sizeof value)) return std::nullopt;
    return value;
  }
  /// The value of the kernel variable `symbol`.
  template <typename T>
  [[nodiscard]] std::optional<T> variable(const std::string& symbol) const {
    const auto address = symbols_.find(symbol);
    return address ? load<T>(*address) : std::nullopt;
  }
  /// A member of the `struct type` at `address`; nothing also where the kernel has no such member.
  template <typename T = std::uint64_t>
  [[nodiscard]] std::optional<T> member(VirtualAddress address, const std::string& type,
                                        const std::string& name) const {
    const auto offset = offset_of(type, name);
    return offset ? load<T>(address + *offset) : std::nullopt;
  }
  [[nodiscard]] std::optional<std::uint64_t> offset_of(const std::string& type,
                                                       const std::string& name) const;

  /// Text up to its terminator or `limit`; bytes that are not printable become '?'.
  [[nodiscard]] std::string text(VirtualAddress address, std::size_t limit) const;

  /// Calls `visit` with each `struct type` on the circular list at `head` (a struct list_head),
  /// whose link is `member`. Ends on damage, or when `visit` returns false.
  void for_each_on_list(VirtualAddress head, const std::string& type, const std::string& member,
                        const std::function<bool(VirtualAddress)>& visit) const;

 private:
  const GuestMemory& memory_;
  const KernelSymbols& symbols_;
  AddressSpace space_;
};

}  // namespace zcl::vm
