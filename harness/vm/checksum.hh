// SPDX-License-Identifier: MIT
// Checksums that tell damage, and keys that name what a thing was made from. Not for security.
#pragma once

#include <cstdint>
#include <string>

#include "harness/base/file_descriptor.hh"

namespace zcl::vm {

/// CRC-64 (ECMA-182), continuing from `previous`.
std::uint64_t crc64(base::ByteView bytes, std::uint64_t previous = 0);
std::uint64_t crc64(const std::string& text, std::uint64_t previous = 0);
/// 16 hexadecimal digits.
std::string hexadecimal(std::uint64_t value);

}  // namespace zcl::vm
