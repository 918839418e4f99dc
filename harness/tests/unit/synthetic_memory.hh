// SPDX-License-Identifier: MIT
// Guest RAM made by hand, for tests without a guest.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstring>
#include <string>

#include "harness/base/file_descriptor.hh"
#include "harness/vm/guest_memory.hh"

namespace zcl::test {

/// A sparse memory file that a test writes, and the GuestMemory that reads it.
class SyntheticMemory {
 public:
  explicit SyntheticMemory(vm::MachineSpec spec = {})
      : file_(base::check_system_call("memfd_create", ::memfd_create("ram", MFD_CLOEXEC))),
        memory_(prepare(spec), spec) {}

  [[nodiscard]] const vm::GuestMemory& memory() const { return memory_; }

  void write(vm::PhysicalAddress address, base::ByteView bytes) {
    std::uint64_t offset = address;
    if (address >= 1ULL << 32) offset = address - (1ULL << 32) + low_;
    base::check_system_call(
        "pwrite", ::pwrite(file_.get(), bytes.data(), bytes.size(), static_cast<off_t>(offset)));
  }

  template <typename T>
  void store(vm::PhysicalAddress address, T value) {
    base::Bytes bytes(sizeof value);
    std::memcpy(bytes.data(), &value, sizeof value);
    write(address, bytes);
  }

  void text(vm::PhysicalAddress address, const std::string& text) {
    write(address, base::Bytes(text.begin(), text.end()));
  }

 private:
  std::string prepare(const vm::MachineSpec& spec) {
    const std::uint64_t size = std::uint64_t{spec.memory_mib} << 20;
    low_ = vm::ram_below_4g(spec.chipset, size);
    base::check_system_call("ftruncate", ::ftruncate(file_.get(), static_cast<off_t>(size)));
    return "/proc/self/fd/" + std::to_string(file_.get());
  }

  base::FileDescriptor file_;
  std::uint64_t low_ = 0;
  vm::GuestMemory memory_;
};

}  // namespace zcl::test
