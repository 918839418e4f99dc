// SPDX-License-Identifier: MIT
// A memory mapping that unmaps itself, for the labs' user programs.
#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <cstdint>
#include <utility>

#include "file_descriptor.hh"

namespace zcl::user {

/// Shared mapping of `length` bytes of a file or device. Movable, not copyable.
class Mapping {
 public:
  Mapping() = default;
  /// `offset`: for /dev/mem the physical address; a multiple of the page size. `at`: the wanted
  /// virtual address inside a range that the caller reserved (MAP_FIXED), or null for any.
  /// Throws std::system_error.
  Mapping(const FileDescriptor& file, std::uint64_t offset, std::size_t length,
          int protection = PROT_READ | PROT_WRITE, void* at = nullptr)
      : length_(length) {
    address_ = ::mmap(at, length, protection, MAP_SHARED | (at != nullptr ? MAP_FIXED : 0),
                      file.get(), static_cast<off_t>(offset));
    if (address_ == MAP_FAILED) {
      address_ = nullptr;
      throw_errno("mmap");
    }
  }
  /// Private zeroed memory, all of it present. Throws std::system_error.
  static Mapping anonymous(std::size_t length) {
    Mapping mapping;
    void* const address = ::mmap(nullptr, length, PROT_READ | PROT_WRITE,
                                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (address == MAP_FAILED) throw_errno("mmap");
    mapping.address_ = address;
    mapping.length_ = length;
    return mapping;
  }
  Mapping(Mapping&& other) noexcept
      : address_(std::exchange(other.address_, nullptr)), length_(other.length_) {}
  Mapping& operator=(Mapping&& other) noexcept {
    if (this != &other) {
      reset();
      address_ = std::exchange(other.address_, nullptr);
      length_ = other.length_;
    }
    return *this;
  }
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;
  ~Mapping() { reset(); }

  [[nodiscard]] std::byte* data() const { return static_cast<std::byte*>(address_); }
  [[nodiscard]] std::size_t size() const { return length_; }
  void reset() {
    if (address_ != nullptr) ::munmap(std::exchange(address_, nullptr), length_);
  }

 private:
  void* address_ = nullptr;
  std::size_t length_ = 0;
};

}  // namespace zcl::user
