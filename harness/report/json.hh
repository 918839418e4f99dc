// SPDX-License-Identifier: MIT
// The report as JSON (schema: harness/report/schema/report.schema.json).
#pragma once

#include <nlohmann/json.hpp>

#include "harness/report/model.hh"

namespace zcl::report {

nlohmann::json to_json(const Report& report);
nlohmann::json to_json(const LabReport& lab);
nlohmann::json to_json(const CheckResult& check);
nlohmann::json to_json(const ExperimentResult& experiment);

/// The inverse. Throws UsageError when `json` does not conform to the schema.
Report report_from_json(const nlohmann::json& json);
/// A part of a report that this program wrote itself; throws nlohmann::json::exception.
CheckResult check_from_json(const nlohmann::json& json);
ExperimentResult experiment_from_json(const nlohmann::json& json);

/// The JSON Schema of a report (harness/report/schema/report.schema.json of the source tree).
const nlohmann::json& report_schema();
/// Throws std::logic_error naming the place when `json` is not a valid report.
void require_valid(const nlohmann::json& json);

}  // namespace zcl::report
