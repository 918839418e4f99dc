// SPDX-License-Identifier: MIT
// `zcl` as a person calls it: exit status, and what it says of each kind of bad input.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "harness/base/paths.hh"
#include "harness/base/process.hh"
#include "harness/tests/unit/lab_fixture.hh"

namespace zcl {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

/// The program of this build tree, or (unit tests alone were built) of the main one.
std::string program() {
  const auto here = base::build_root() / "zcl";
  return std::filesystem::exists(here) ? here : base::source_root() / "build/zcl";
}

base::CommandResult zcl(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), program());
  base::Command command;
  command.argv = std::move(arguments);
  command.time_limit = std::chrono::seconds(120);
  return base::run_command(command);
}

/// A call that cannot be served. `{tmp}` in an argument stands for an empty directory, `{full}` for
/// one that holds a file.
struct BadCall {
  const char* name;
  std::vector<std::string> arguments;
  int status;
  const char* message;  ///< part of what stands on standard error
};

class BadInput : public ::testing::TestWithParam<BadCall> {
 protected:
  BadInput() { base::write_file_atomically(full_.path() / "file", std::string_view("x")); }

  [[nodiscard]] std::vector<std::string> arguments() const {
    auto result = GetParam().arguments;
    for (auto& argument : result) {
      replace(argument, "{tmp}", empty_.path());
      replace(argument, "{full}", full_.path());
    }
    return result;
  }

 private:
  static void replace(std::string& text, const std::string& what, const std::string& by) {
    if (const auto at = text.find(what); at != std::string::npos) text.replace(at, what.size(), by);
  }

  lab::ScratchDirectory empty_;
  lab::ScratchDirectory full_;
};

TEST_P(BadInput, EndsWithItsStatusAndASentence) {
  const auto result = zcl(arguments());
  EXPECT_EQ(result.exit_status, GetParam().status) << result.error;
  EXPECT_THAT(result.error, HasSubstr(GetParam().message));
  EXPECT_THAT(result.output, IsEmpty());
}

const std::vector<BadCall>& bad_calls() {
  static const std::vector<BadCall> calls = {
      // The program itself.
      {"nothing", {}, 2, "A subcommand is expected. See `zcl --help`."},
      {"no_such_command", {"frobnicate"}, 2, "not expected: frobnicate"},
      {"no_such_option", {"--fast"}, 2, "not expected: --fast"},
      // doctor
      {"doctor_operand",
       {"doctor", "01"},
       2,
       "zcl doctor: The following argument was not expected: 01"},
      {"doctor_json_nowhere", {"doctor", "--json", "/no/such/x"}, 2, "Cannot write /no/such/x: "},
      {"doctor_json_directory", {"doctor", "--json", "{tmp}"}, 2, "Cannot write "},
      // list
      {"list_lab", {"list", "97"}, 2, "There is no lab \"97\". There are: "},
      {"list_lab_empty", {"list", ""}, 2, "There is no lab \"\". There are: "},
      {"list_lab_path", {"list", "../labs/01"}, 2, "There is no lab \"../labs/01\"."},
      {"list_json_no_value", {"list", "--json"}, 2, "--json: 1 required FILE|- missing"},
      // run
      {"run_lab", {"run", "1"}, 2, "There is no lab \"1\". There are: "},
      {"run_experiment",
       {"run", "01/nothing"},
       2,
       "has no experiment or check \"nothing\". Its experiments: "},
      {"run_empty_experiment", {"run", "01/"}, 2, "has no experiment or check \"\""},
      {"run_mode", {"run", "01", "--mode", "fast"}, 2, "--mode: fast not in {count,speed}"},
      {"run_accel", {"run", "01", "--accel", "hvf"}, 2, "--accel: hvf not in {auto,kvm,tcg}"},
      {"run_kernel", {"run", "01", "--kernel", "5.4"}, 2, "There is no kernel series \"5.4\""},
      {"run_kernel_path",
       {"run", "01", "--kernel", "../6.1"},
       2,
       "There is no kernel series \"../6.1\""},
      {"run_seed_word", {"run", "01", "--seed", "lucky"}, 2, "--seed: expected a whole number"},
      {"run_seed_negative", {"run", "01", "--seed", "-1"}, 2, "--seed: "},
      {"run_repeat_none", {"run", "01", "--repeat", "0"}, 2, "--repeat: "},
      {"run_jobs_many", {"run", "01", "--jobs", "1000"}, 2, "--jobs: "},
      {"run_profile", {"run", "01", "--profile", "slow"}, 2, "--profile: slow not in {quick,full}"},
      // report
      {"report_operand", {"report", "01"}, 2, "zcl report: The following argument"},
      {"report_profile", {"report", "--profile", "slow"}, 2, "slow not in {quick,full}"},
      {"report_kernel", {"report", "--kernel", "5.4"}, 2, "There is no kernel series \"5.4\""},
      {"report_from_nowhere",
       {"report", "--from", "/no/such.json"},
       2,
       "Cannot read /no/such.json: "},
      {"report_from_text", {"report", "--from", "{full}/file"}, 2, "/file is not a JSON document."},
      // handout
      {"handout_nothing", {"handout"}, 2, "--lab is required"},
      {"handout_no_directory", {"handout", "--lab", "01"}, 2, "--to is required"},
      {"handout_lab", {"handout", "--lab", "97", "--to", "{tmp}"}, 2, "There is no lab \"97\"."},
      {"handout_step", {"handout", "--lab", "01", "--step", "dance", "--to", "{tmp}"}, 2, "dance"},
      {"handout_not_empty", {"handout", "--lab", "01", "--to", "{full}"}, 2, "empty"},
      {"handout_nowhere", {"handout", "--lab", "01", "--to", "/proc/x/y"}, 2, "/proc/x"},
      // grade
      {"grade_nothing", {"grade"}, 2, "--lab is required"},
      {"grade_no_submission", {"grade", "--lab", "01"}, 2, "--submission is required"},
      {"grade_lab",
       {"grade", "--lab", "97", "--submission", "{tmp}"},
       2,
       "There is no lab \"97\"."},
      {"grade_no_directory", {"grade", "--lab", "01", "--submission", "/no/such"}, 2, "/no/such"},
      {"grade_empty", {"grade", "--lab", "01", "--submission", "{tmp}"}, 2, ""},
      {"grade_file", {"grade", "--lab", "01", "--submission", "{full}/file"}, 2, ""},
      {"grade_check",
       {"grade", "--lab", "01", "--submission", "{tmp}", "--check", "01.none"},
       2,
       ""},
      // shell
      {"shell_nothing", {"shell"}, 2, "LAB is required"},
      {"shell_lab", {"shell", "97"}, 2, "There is no lab \"97\"."},
      {"shell_machine",
       {"shell", "01", "--machine", "toaster"},
       2,
       "has no machine \"toaster\". It has: "},
      // xray
      {"xray_nic", {"xray", "--nic", "ne2000"}, 2, "--nic: ne2000 not in"},
      {"xray_method", {"xray", "--method", "telepathy"}, 2, "--method: telepathy not in"},
      {"xray_length_short", {"xray", "--length", "47"}, 2, "--length: "},
      {"xray_length_long", {"xray", "--length", "1501"}, 2, "--length: "},
      {"xray_kernel", {"xray", "--kernel", "5.4"}, 2, "There is no kernel series \"5.4\""},
  };
  return calls;
}

INSTANTIATE_TEST_SUITE_P(Zcl, BadInput, ::testing::ValuesIn(bad_calls()),
                         [](const auto& test) { return std::string(test.param.name); });

TEST(Zcl, ExplainsItself) {
  for (const char* command :
       {"doctor", "list", "run", "grade", "handout", "report", "shell", "xray"}) {
    const auto result = zcl({command, "--help"});
    EXPECT_EQ(result.exit_status, 0) << command;
    EXPECT_THAT(result.output, HasSubstr("Usage: zcl " + std::string(command)));
    EXPECT_THAT(zcl({"--help"}).output, HasSubstr("\n  " + std::string(command) + " "));
  }
  EXPECT_THAT(zcl({"--version"}).output, HasSubstr("zcl, source revision "));
}

TEST(Zcl, PrintsNothingButJsonWhenAskedTo) {
  for (const char* command : {"list", "doctor"}) {
    const auto result = zcl({command, "--json", "-"});
    EXPECT_EQ(result.exit_status, 0) << result.error;
    const auto json = nlohmann::json::parse(result.output, nullptr, false);
    ASSERT_TRUE(json.is_object()) << command;
    EXPECT_EQ(json.at("schema"), "zcl-" + std::string(command) + "/1");
  }
}

TEST(Zcl, WritesJsonBesideTheText) {
  const lab::ScratchDirectory scratch;
  const auto file = scratch.path() / "list.json";
  const auto result = zcl({"list", "--json", file});
  EXPECT_EQ(result.exit_status, 0);
  EXPECT_THAT(result.output, HasSubstr("Lab 01"));
  EXPECT_TRUE(nlohmann::json::parse(base::read_text_file(file)).contains("labs"));
}

TEST(Zcl, FitsIntoEightyColumns) {
  for (const char* command : {"list", "doctor"}) {
    std::istringstream lines(zcl({command}).output);
    for (std::string line; std::getline(lines, line);) EXPECT_LE(line.size(), 80U) << line;
  }
}

TEST(Zcl, DoesNotMindAReaderThatGoesAway) {
  const auto result = base::run_command(
      {.argv = {"sh", "-c", "{ \"$0\" list; echo \"status $?\" >&2; } | true", program()}});
  EXPECT_EQ(result.error, "status 0\n");
}

TEST(Zcl, SaysSoWhenStandardOutputIsFull) {
  const auto result =
      base::run_command({.argv = {"sh", "-c", "exec \"$0\" list >/dev/full", program()}});
  EXPECT_EQ(result.exit_status, 3);
  EXPECT_THAT(result.error, HasSubstr("Cannot write to standard output: No space left"));
}

TEST(Zcl, HandsOutALab) {
  const lab::ScratchDirectory scratch;
  const auto to = scratch.path() / "lab";
  const auto result = zcl({"handout", "--lab", "01", "--to", to});
  EXPECT_EQ(result.exit_status, 0) << result.error;
  EXPECT_TRUE(std::filesystem::exists(to / "Makefile"));
}

}  // namespace
}  // namespace zcl
