// SPDX-License-Identifier: MIT
// Numbers and paragraphs as the x-ray prints them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace zcl::xray {

/// "0x1f000".
std::string hexadecimal(std::uint64_t value);

/// "48 KiB", "3 MiB": rounded to a whole number of the largest unit that gives at least 1.
std::string size_text(std::uint64_t bytes);

/// "1 copy", "3 copies": `plural` is taken unless count is 1.
std::string counted(std::uint64_t count, const std::string& singular, const std::string& plural);

/// Breaks at spaces into lines of at most `width` characters; a longer word stays whole.
std::vector<std::string> wrap(const std::string& text, std::size_t width);

}  // namespace zcl::xray
