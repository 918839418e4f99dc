// SPDX-License-Identifier: MIT
// Text of unknown origin made safe to show, and text fitted to a terminal.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace zcl::report {

/// Valid UTF-8 without control characters other than newline and tab: what a guest printed can
/// neither break a JSON document nor send escape sequences to a terminal. Each byte that does not
/// fit becomes U+FFFD.
std::string printable(std::string_view text);

/// Columns that `text` (valid UTF-8) takes on a terminal: wide characters two, combining ones none.
std::size_t display_width(std::string_view text);

/// `text` in lines of at most `width` columns, broken at spaces where there are any, else inside a
/// word. Newlines in `text` end a line. Never empty: at least one line.
std::vector<std::string> wrap(std::string_view text, std::size_t width);

/// `text` followed by spaces up to `width` columns.
std::string padded(std::string_view text, std::size_t width);

}  // namespace zcl::report
