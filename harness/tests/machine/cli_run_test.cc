// SPDX-License-Identifier: MIT
// `zcl run` with a real guest, as a person calls it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "harness/base/paths.hh"
#include "harness/base/process.hh"
#include "harness/report/json.hh"

namespace zcl {
namespace {

base::CommandResult zcl(const std::vector<std::string>& arguments) {
  base::Command command;
  command.argv = {(base::build_root() / "zcl").string()};
  command.argv.insert(command.argv.end(), arguments.begin(), arguments.end());
  command.time_limit = std::chrono::seconds(800);
  return base::run_command(command);
}

TEST(ZclRun, PrintsAValidReportOfWhatWasAskedForAndNothingElse) {
  const auto run = zcl({"run", "01/strings", "01/01.alloc", "--json", "-", "--seed", "5"});
  ASSERT_EQ(run.exit_status, 0) << run.error;
  const auto report = report::report_from_json(nlohmann::json::parse(run.output));
  EXPECT_EQ(report.seed, 5U);
  ASSERT_EQ(report.labs.size(), 1U);
  ASSERT_EQ(report.labs[0].checks.size(), 1U);
  EXPECT_EQ(report.labs[0].checks[0].status, report::CheckStatus::passed);
  ASSERT_EQ(report.labs[0].experiments.size(), 1U);
  EXPECT_EQ(report.labs[0].experiments[0].id, "strings");
  EXPECT_FALSE(report.labs[0].experiments[0].claim.because.empty());
  EXPECT_THAT(report.environment.at("accelerator_count_mode"), "tcg");
  EXPECT_THAT(run.error, ::testing::HasSubstr("zcl [3/3] "));
}

}  // namespace
}  // namespace zcl
