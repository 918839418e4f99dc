// SPDX-License-Identifier: MIT
// JSON with comments, remembering the line of every value.
#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <string>

namespace zcl::lab {

/// A parsed document, and where its values stand.
struct JsonWithLines {
  nlohmann::json document;
  std::map<std::string, std::size_t> lines;  ///< by JSON pointer; lines count from 1

  /// The line of the value at `pointer`, or of its nearest parent that stands in the file.
  [[nodiscard]] std::size_t line_of(std::string pointer) const;
};

/// Parses `text`; `//` and `/* */` comments are skipped. `file` names it in messages. Throws
/// UsageError "file:line: what was expected" for what is not JSON, and for a key given twice.
JsonWithLines parse_json_with_lines(const std::string& file, const std::string& text);

}  // namespace zcl::lab
