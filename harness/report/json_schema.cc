// SPDX-License-Identifier: MIT
#include "harness/report/json_schema.hh"

#include <stdexcept>
#include <valijson/adapters/nlohmann_json_adapter.hpp>
#include <valijson/schema.hpp>
#include <valijson/schema_parser.hpp>
#include <valijson/validation_results.hpp>
#include <valijson/validator.hpp>
#include <vector>

namespace zcl::report {

namespace {

using nlohmann::json;

/// The keys that lead to a node, from the validator's context ("<root>", "[checks]", "[2]").
std::vector<std::string> path_of(const std::vector<std::string>& context) {
  std::vector<std::string> path;
  for (const auto& step : context) {
    if (step.size() >= 2 && step.front() == '[') path.push_back(step.substr(1, step.size() - 2));
  }
  return path;
}

std::string pointer_of(const std::vector<std::string>& path) {
  json::json_pointer pointer;
  for (const auto& key : path) pointer.push_back(key);
  return pointer.to_string();
}

const json& resolve(const json& schema, const json& node) {
  if (!node.contains("$ref")) return node;
  const auto reference = node.at("$ref").get<std::string>();
  return schema.at(json::json_pointer(reference.substr(1)));  // "#/definitions/…"
}

/// The schema node that governs `path`, or null.
const json* schema_at(const json& schema, const std::vector<std::string>& path) {
  const json* node = &resolve(schema, schema);
  for (const auto& key : path) {
    const json* next = nullptr;
    if (node->contains("properties") && node->at("properties").contains(key)) {
      next = &node->at("properties").at(key);
    } else if (node->contains("items")) {
      next = &node->at("items");
    } else if (node->contains("additionalProperties") &&
               node->at("additionalProperties").is_object()) {
      next = &node->at("additionalProperties");
    }
    if (next == nullptr) return nullptr;
    node = &resolve(schema, *next);
  }
  return node;
}

/// The text between the last pair of quotes, where the validator names a property.
std::string quoted(const std::string& text) {
  const auto end = text.rfind('\'');
  const auto begin = end == std::string::npos ? end : text.rfind('\'', end - 1);
  return begin == std::string::npos ? std::string() : text.substr(begin + 1, end - begin - 1);
}

std::string known_keys(const json& node) {
  std::string list;
  if (!node.contains("properties")) return list;
  for (const auto& [key, ignored] : node.at("properties").items()) {
    list += (list.empty() ? "" : ", ") + key;
  }
  return list;
}

/// Unknown and missing keys are named; for anything else the description of the schema speaks.
std::string explain(const json* node, const std::string& complaint) {
  if (node == nullptr) return complaint;
  if (complaint.starts_with("Missing required property")) {
    return "expected the key \"" + quoted(complaint) + "\" here";
  }
  if (complaint.starts_with("Object contains a property") && node->contains("properties")) {
    return "expected only the keys " + known_keys(*node) + "; \"" + quoted(complaint) +
           "\" is not one of them";
  }
  std::string expected;
  if (node->contains("description")) expected = node->at("description").get<std::string>();
  if (expected.empty() && node->contains("enum")) {
    for (const auto& value : node->at("enum")) {
      expected += (expected.empty() ? "one of " : ", ") + value.dump();
    }
  }
  if (expected.empty() && node->contains("type")) {
    expected = "a value of type " + node->at("type").dump();
  }
  return expected.empty() ? complaint : "expected " + expected;
}

}  // namespace

std::optional<SchemaViolation> find_violation(const json& schema, const json& document) {
  valijson::Schema compiled;
  try {
    valijson::SchemaParser parser(valijson::SchemaParser::kDraft7);
    parser.populateSchema(valijson::adapters::NlohmannJsonAdapter(schema), compiled);
  } catch (const std::exception& error) {
    throw std::logic_error(std::string("not a JSON Schema: ") + error.what());
  }
  valijson::Validator validator(valijson::Validator::kStrongTypes);
  valijson::ValidationResults results;
  const valijson::adapters::NlohmannJsonAdapter target(document);
  if (validator.validate(compiled, target, &results)) return std::nullopt;

  // The validator reports from the inside out; the innermost complaint comes first, but an unknown
  // key hides behind it, so take the first with the longest context.
  const valijson::ValidationResults::Error* deepest = nullptr;
  for (const auto& error : results) {
    if (deepest == nullptr || error.context.size() > deepest->context.size()) deepest = &error;
  }
  if (deepest == nullptr) return SchemaViolation{"", "expected a document of this schema"};
  const auto path = path_of(deepest->context);
  return SchemaViolation{pointer_of(path), explain(schema_at(schema, path), deepest->description)};
}

}  // namespace zcl::report
