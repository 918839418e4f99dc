// SPDX-License-Identifier: MIT
// Validating a JSON document against a JSON Schema (draft 7).
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>

namespace zcl::report {

/// The first thing that is wrong with a document.
struct SchemaViolation {
  std::string pointer;  ///< JSON pointer into the document: "/checks/2/points"; "" for its root
  std::string message;  ///< what was expected there
};

/// Nothing when `document` is valid. Throws std::logic_error when `schema` itself is not a schema.
/// A schema node's "description" is used as the sentence that says what was expected.
std::optional<SchemaViolation> find_violation(const nlohmann::json& schema,
                                              const nlohmann::json& document);

}  // namespace zcl::report
