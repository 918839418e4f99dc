// SPDX-License-Identifier: MIT
// Guest-physical memory as the host sees it: the file that backs the guest's RAM, mapped read-only.
#pragma once

#include <cstdint>
#include <cstring>
#include <functional>
#include <optional>
#include <stdexcept>
#include <string>
#include <type_traits>

#include "harness/base/file_descriptor.hh"
#include "harness/vm/machine_spec.hh"

namespace zcl::vm {

using PhysicalAddress = std::uint64_t;
using VirtualAddress = std::uint64_t;

/// A guest-physical address where the guest has no RAM (hole, device register, beyond the end).
class NotRam : public std::out_of_range {
 public:
  explicit NotRam(PhysicalAddress address);
};

/// Bytes of RAM below the hole that ends at 4 GiB, of a machine with `ram_bytes` in all; the rest
/// starts at 4 GiB. Source: QEMU 7.2, hw/i386/pc_q35.c and pc_piix.c.
[[nodiscard]] std::uint64_t ram_below_4g(Chipset chipset, std::uint64_t ram_bytes);

/// PC memory layout: RAM below 4 GiB ends at the hole, the rest starts at 4 GiB.
/// Source: QEMU 7.2 hw/i386/pc_q35.c and pc_piix.c (the split points differ).
class GuestMemory {
 public:
  /// Maps `ram_file`, whose size must be the spec's. Throws std::system_error.
  GuestMemory(const std::string& ram_file, const MachineSpec& spec);
  GuestMemory(GuestMemory&&) noexcept;
  GuestMemory& operator=(GuestMemory&&) noexcept;
  ~GuestMemory();

  /// Bytes of RAM in all.
  [[nodiscard]] std::uint64_t size() const { return size_; }
  /// One past the highest RAM address.
  [[nodiscard]] PhysicalAddress end() const;
  [[nodiscard]] bool contains(PhysicalAddress address, std::uint64_t length = 1) const;

  /// `length` bytes of RAM at `address`; the range must not cross the hole. Throws NotRam.
  /// The view shows the guest's memory as it changes: pause the machine to read something whole.
  [[nodiscard]] base::ByteView view(PhysicalAddress address, std::uint64_t length) const;

  template <typename T>
  [[nodiscard]] T load(PhysicalAddress address) const {
    static_assert(std::is_trivially_copyable_v<T>);
    T value;
    std::memcpy(&value, view(address, sizeof value).data(), sizeof value);
    return value;
  }

  /// Calls `visit(address, bytes)` for each run of RAM that was ever written (SEEK_DATA), in rising
  /// order. Sparse pages read as zeros and are skipped.
  void for_each_populated(const std::function<void(PhysicalAddress, base::ByteView)>& visit) const;

 private:
  /// Where RAM at `address` stands in the file; nothing unless all `length` bytes are there.
  [[nodiscard]] std::optional<std::uint64_t> file_offset(PhysicalAddress address,
                                                         std::uint64_t length) const;
  [[nodiscard]] PhysicalAddress address_of(std::uint64_t file_offset) const;

  base::FileDescriptor file_;
  const std::uint8_t* map_ = nullptr;
  std::uint64_t size_ = 0;
  std::uint64_t low_size_ = 0;  ///< bytes of RAM below 4 GiB
};

}  // namespace zcl::vm
