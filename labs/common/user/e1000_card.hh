// SPDX-License-Identifier: MIT
// An e1000 (82540EM) that no driver owns, as a program drives it: its registers, and memory that it
// can read and write.
//
// It protects nothing: the program gives the card physical addresses, so it needs root and a
// machine without an IOMMU, and a mistake overwrites any memory of the machine. Source: Intel 8254x
// software developer's manual (SDM), 13.4 (registers).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace zcl::user {

/// Its registers are mapped until this object dies. Not copyable.
class E1000Card {
 public:
  /// Takes the card at `path`, such as "/sys/bus/pci/devices/0000:00:03.0" or
  /// "/sys/class/net/eth1/device", from any driver that has it, resets it and masks its interrupts.
  /// Throws std::runtime_error when it is no e1000 or cannot be mapped.
  explicit E1000Card(const std::string& path);
  ~E1000Card();
  E1000Card(const E1000Card&) = delete;
  E1000Card& operator=(const E1000Card&) = delete;

  [[nodiscard]] volatile std::uint32_t* at(std::size_t offset) const {
    return reinterpret_cast<volatile std::uint32_t*>(registers_ + offset);
  }
  void write(std::size_t offset, std::uint32_t value) { *at(offset) = value; }
  /// A 64-bit address into a pair of registers, low half first (TDBAL and TDBAH, RDBAL and RDBAH).
  void write_address(std::size_t offset, std::uint64_t address);

 private:
  std::uint8_t* registers_ = nullptr;
};

/// Zeroed pages that stay where they are in physical memory. Not copyable; a child of fork(2) must
/// not use its parent's.
class CardMemory {
 public:
  /// Throws std::runtime_error.
  explicit CardMemory(std::size_t bytes);
  ~CardMemory();
  CardMemory(const CardMemory&) = delete;
  CardMemory& operator=(const CardMemory&) = delete;

  [[nodiscard]] std::uint8_t* data() const { return data_; }
  /// Of an address in this memory; good up to the end of its page. Throws std::runtime_error.
  [[nodiscard]] std::uint64_t physical(const void* address) const;

 private:
  std::uint8_t* data_ = nullptr;
  std::size_t bytes_;
  int pagemap_ = -1;
};

}  // namespace zcl::user
