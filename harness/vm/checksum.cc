// SPDX-License-Identifier: MIT
#include "harness/vm/checksum.hh"

#include <lzma.h>

namespace zcl::vm {

std::uint64_t crc64(base::ByteView bytes, std::uint64_t previous) {
  return lzma_crc64(bytes.data(), bytes.size(), previous);
}

std::uint64_t crc64(const std::string& text, std::uint64_t previous) {
  return crc64({reinterpret_cast<const std::uint8_t*>(text.data()), text.size()}, previous);
}

std::string hexadecimal(std::uint64_t value) {
  constexpr int kDigits = 16;
  std::string text(kDigits, '0');
  for (auto digit = text.rbegin(); digit != text.rend(); ++digit, value >>= 4) {
    *digit = "0123456789abcdef"[value & 0xf];
  }
  return text;
}

}  // namespace zcl::vm
