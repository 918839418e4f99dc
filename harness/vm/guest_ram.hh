// SPDX-License-Identifier: MIT
// The files that back guest memory: nameless, so that nothing can be left behind.
#pragma once

#include <cstdint>
#include <string>

#include "harness/base/file_descriptor.hh"

namespace zcl::vm {

/// A sparse file of `size` bytes in base::shared_memory_root(), without a name, readable and
/// writable by whoever QEMU runs as. Throws EnvironmentError.
base::FileDescriptor make_guest_ram(std::uint64_t size);

/// Copies what is populated (SEEK_DATA) of the first `size` bytes of `from` into `to`; all else
/// stays a hole. Returns the checksum of what it copied. Throws EnvironmentError when /dev/shm is
/// full.
std::uint64_t copy_guest_ram(int from, int to, std::uint64_t size, bool with_checksum);
/// The same checksum without a copy.
std::uint64_t checksum_guest_ram(int file, std::uint64_t size);
/// Gives back pages that hold only zeros: they read the same as a hole.
void drop_zero_pages(int file, std::uint64_t size);

/// Bytes free in /dev/shm.
std::uint64_t shared_memory_free();
/// What to do about a full /dev/shm, with the figures.
[[noreturn]] void throw_shared_memory_full(std::uint64_t needed);

}  // namespace zcl::vm
