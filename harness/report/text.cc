// SPDX-License-Identifier: MIT
#include "harness/report/text.hh"

#include <algorithm>
#include <array>
#include <cstdint>

namespace zcl::report {

namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

struct CodePoint {
  std::uint32_t value = 0;
  std::size_t length = 0;  ///< bytes; 0: not valid UTF-8
};

/// The code point at the start of `text` (not empty); RFC 3629, section 4: no overlong forms, no
/// surrogates, nothing above U+10FFFF.
CodePoint decode(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<std::uint8_t>(text[i]); };
  const std::uint8_t first = byte(0);
  if (first < 0x80) return {first, 1};
  const std::size_t length = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  if (first < 0xC2 || first > 0xF4 || text.size() < length) return {};
  std::uint32_t value = first & (0xFFU >> (length + 1));
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return {};
    value = (value << 6) | (byte(i) & 0x3FU);
  }
  constexpr std::array<std::uint32_t, 5> kLeast = {0, 0, 0x80, 0x800, 0x10000};
  const bool surrogate = value >= 0xD800 && value <= 0xDFFF;
  if (value < kLeast[length] || surrogate || value > 0x10FFFF) return {};
  return {value, length};
}

/// The ranges that East Asian Width calls wide or full-width and that are in common use; glibc's
/// wcwidth() would depend on the locale that is set.
bool is_wide(std::uint32_t c) {
  return (c >= 0x1100 && c <= 0x115F) || (c >= 0x2E80 && c <= 0xA4CF) ||
         (c >= 0xAC00 && c <= 0xD7A3) || (c >= 0xF900 && c <= 0xFAFF) ||
         (c >= 0xFE30 && c <= 0xFE6F) || (c >= 0xFF00 && c <= 0xFF60) ||
         (c >= 0xFFE0 && c <= 0xFFE6) || (c >= 0x1F300 && c <= 0x1F64F) ||
         (c >= 0x1F900 && c <= 0x1F9FF) || (c >= 0x20000 && c <= 0x3FFFD);
}

bool is_combining(std::uint32_t c) {
  return (c >= 0x0300 && c <= 0x036F) || (c >= 0x200B && c <= 0x200F) ||
         (c >= 0x20D0 && c <= 0x20FF) || (c >= 0xFE00 && c <= 0xFE0F);
}

std::size_t columns(std::uint32_t c) {
  if (is_combining(c)) return 0;
  return is_wide(c) ? 2 : 1;
}

/// C0, DEL and C1 controls, and the characters that reorder what is shown around them.
bool is_control(std::uint32_t c) {
  return c < 0x20 || (c >= 0x7F && c < 0xA0) || (c >= 0x202A && c <= 0x202E) ||
         (c >= 0x2066 && c <= 0x2069);
}

/// The most bytes of `text` that fit into `width` columns, at least one character.
std::size_t fitting_bytes(std::string_view text, std::size_t width) {
  std::size_t used = 0;
  std::size_t at = 0;
  while (at < text.size()) {
    const CodePoint next = decode(text.substr(at));
    const std::size_t step = std::max<std::size_t>(next.length, 1);
    const std::size_t wide = columns(next.value);
    if (at > 0 && used + wide > width) break;
    used += wide;
    at += step;
  }
  return at;
}

void wrap_line(std::string_view line, std::size_t width, std::vector<std::string>& lines) {
  while (display_width(line) > width) {
    const std::size_t fits = fitting_bytes(line, width);
    // A space just behind what fits is as good a place as one inside it.
    std::size_t cut = line.substr(0, fits + 1).rfind(' ');
    if (cut == std::string_view::npos ||
        line.substr(0, cut).find_first_not_of(' ') == std::string_view::npos) {
      lines.emplace_back(line.substr(0, fits));
      line.remove_prefix(fits);
      continue;
    }
    std::string_view part = line.substr(0, cut);
    part.remove_suffix(part.size() - part.find_last_not_of(' ') - 1);
    lines.emplace_back(part);
    line.remove_prefix(cut);
    line.remove_prefix(std::min(line.find_first_not_of(' '), line.size()));
  }
  lines.emplace_back(line);
}

}  // namespace

std::string printable(std::string_view text) {
  std::string result;
  result.reserve(text.size());
  while (!text.empty()) {
    const CodePoint next = decode(text);
    const bool line_end = text.starts_with("\r\n");
    const std::size_t length = std::max<std::size_t>(next.length, 1);
    if (next.length == 0 ||
        (is_control(next.value) && next.value != '\n' && next.value != '\t' && !line_end)) {
      result += kReplacement;
    } else if (!line_end) {
      result += text.substr(0, length);
    }
    text.remove_prefix(length);
  }
  return result;
}

std::size_t display_width(std::string_view text) {
  std::size_t width = 0;
  while (!text.empty()) {
    const CodePoint next = decode(text);
    width += columns(next.value);
    text.remove_prefix(std::max<std::size_t>(next.length, 1));
  }
  return width;
}

std::vector<std::string> wrap(std::string_view text, std::size_t width) {
  std::vector<std::string> lines;
  for (;;) {
    const std::size_t end = text.find('\n');
    wrap_line(text.substr(0, end), std::max<std::size_t>(width, 1), lines);
    if (end == std::string_view::npos) return lines;
    text.remove_prefix(end + 1);
  }
}

std::string padded(std::string_view text, std::size_t width) {
  const std::size_t used = display_width(text);
  return std::string(text) + std::string(width > used ? width - used : 0, ' ');
}

}  // namespace zcl::report
