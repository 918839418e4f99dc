// SPDX-License-Identifier: MIT
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "harness/base/error.hh"
#include "harness/lab/declaration.hh"
#include "harness/lab/json_lines.hh"
#include "harness/lab/procedure.hh"
#include "harness/tests/unit/lab_fixture.hh"

namespace zcl::lab {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;

TEST(LoadLab, ReadsTheTinyLab) {
  const Lab lab = tiny_lab();
  EXPECT_EQ(lab.id, "99_tiny");
  EXPECT_EQ(lab.number, "99");
  EXPECT_EQ(lab.machines.at("plain").memory_mib, 512U);
  ASSERT_EQ(lab.checks.size(), 4U);
  EXPECT_EQ(lab.checks[0].time_limit, std::chrono::seconds(180));
  EXPECT_EQ(lab.checks[1].time_limit, std::chrono::seconds(5));
  EXPECT_EQ(lab.checks[2].needs, std::vector<std::string>{"99.second"});
  EXPECT_EQ(lab.checks[3].evidence, report::Evidence::guest);
  ASSERT_EQ(lab.experiments.size(), 2U);
  EXPECT_FALSE(lab.experiments[1].quick);
  EXPECT_EQ(lab.experiments[0].parameters.at("sides"), 6);
  EXPECT_EQ(lab.shell.machine, "plain");
}

/// One edit of the tiny lab's declaration, and the sentence about it.
struct BadDeclaration {
  const char* name;
  const char* replace;
  const char* by;
  const char* message;  ///< after the file's name
};

class LoadLabRefuses : public ::testing::TestWithParam<BadDeclaration> {};

TEST_P(LoadLabRefuses, WithLineAndWhatWasExpected) {
  const ScratchDirectory scratch;
  const auto folder = scratch.path() / "99_tiny";
  std::filesystem::copy(tiny_lab_folder(), folder, std::filesystem::copy_options::recursive);
  std::string text = base::read_text_file(folder / "lab.json");
  const auto at = text.find(GetParam().replace);
  ASSERT_NE(at, std::string::npos);
  text.replace(at, std::string(GetParam().replace).size(), GetParam().by);
  base::write_file_atomically(folder / "lab.json", std::string_view(text));
  try {
    load_lab(folder / "lab.json");
    FAIL() << "accepted";
  } catch (const UsageError& error) {
    EXPECT_THAT(error.what(), HasSubstr("99_tiny/lab.json" + std::string(GetParam().message)));
  }
}

INSTANTIATE_TEST_SUITE_P(
    All, LoadLabRefuses,
    ::testing::Values(
        BadDeclaration{"not_json", "\"title\": \"A tiny lab\",", "\"title\" \"A tiny lab\",",
                       ":4: expected JSON (comments allowed): "},
        BadDeclaration{"cut_short", "\"modules\": [],", "\"modules\": [",
                       ":6: expected JSON (comments allowed): "},
        BadDeclaration{"twice", "\"modules\": [],", "\"title\": \"Again\",",
                       ":5: the key \"title\" is given twice"},
        BadDeclaration{"missing_key", "\"modules\": [],", "",
                       ":3: expected the key \"modules\" here."},
        BadDeclaration{"unknown_key", "\"modules\": [],", "\"modules\": [], \"moduls\": 1,",
                       ":3: expected only the keys "},
        BadDeclaration{"wrong_type", "\"points\": 40", "\"points\": \"40\"",
                       ":11: /checks/0/points: expected a whole number of points from 0 to 100."},
        BadDeclaration{"out_of_range", "\"time_limit\": 5", "\"time_limit\": 0",
                       ":17: /checks/1/time_limit: expected a whole number of seconds from 1 to "
                       "600."},
        BadDeclaration{"empty_hint", "\"hint\": \"Try harder.\"", "\"hint\": \"\"",
                       ":18: /checks/1/hint: expected a hint, shown when the check fails: a "
                       "string that is not empty."},
        BadDeclaration{"article_row", "\"A3\"", "\"F3\"",
                       ":27: /experiments/0/article/0: expected a row of the article digest, such "
                       "as \"A3\"."},
        BadDeclaration{"memory", "\"memory_mib\": 512", "\"memory_mib\": 64",
                       ":8: /machines/plain/memory_mib: expected a whole number of MiB from 512 "
                       "to 6144."},
        BadDeclaration{"machine_rules", "\"memory_mib\": 512", "\"cpus\": 2",
                       ":8: /machines/plain: "},
        BadDeclaration{"path_up", "[\"user/hello.c\"],\n  \"machines\"",
                       "[\"../x.c\"],\n  \"machines\"",
                       ":7: /student_files/0: expected a file's path within the lab, without "
                       "\"..\"."},
        BadDeclaration{"no_file", "[\"user/hello.c\"],\n  \"machines\"",
                       "[\"user/hullo.c\"],\n  \"machines\"",
                       ":7: /student_files/0: expected a file of the lab; there is no "
                       "user/hullo.c."},
        BadDeclaration{"step_file", "\"files\": [\"user/hello.c\"]", "\"files\": [\"Makefile\"]",
                       ":9: /steps/0/files/0: expected one of student_files; \"Makefile\" is not "
                       "among them."},
        BadDeclaration{"step_of_check", "\"step\": \"greet\"", "\"step\": \"great\"",
                       ":11: /checks/0/step: expected a step of this lab (greet)."},
        BadDeclaration{"same_id", "\"99.second\",\n", "\"99.first\",\n",
                       ":13: /checks/1/id: expected an id of its own; \"99.first\" stands above "
                       "already."},
        BadDeclaration{"id_of_other_lab", "\"99.alone\"", "\"98.alone\"",
                       ":21: /checks/3/id: expected an id that begins with \"99.\"."},
        BadDeclaration{"need_unknown", "\"needs\": [\"99.second\"]", "\"needs\": [\"99.fourth\"]",
                       ":20: /checks/2/needs/0: expected the id of a check that stands above this "
                       "one; \"99.fourth\" does not."},
        BadDeclaration{"need_circle", "\"needs\": [\"99.first\"]", "\"needs\": [\"99.third\"]",
                       ":16: /checks/1/needs/0: expected the id of a check that stands above"},
        BadDeclaration{"points", "\"points\": 20", "\"points\": 21",
                       ":10: /checks: expected points that sum to 100; they sum to 101."},
        BadDeclaration{"machine_of_experiment", "\"machine\": \"plain\"", "\"machine\": \"fancy\"",
                       ":29: /experiments/0/machine: expected a machine of this lab (plain)."}),
    [](const auto& test) { return std::string(test.param.name); });

TEST(LoadLab, NamesAFileThatIsNotThere) {
  EXPECT_THROW(load_lab("/no/such/lab.json"), UsageError);
}

TEST(FindLab, ListsWhatThereIs) {
  try {
    find_lab("97");
    FAIL();
  } catch (const UsageError& error) {
    EXPECT_THAT(error.what(), HasSubstr("There is no lab \"97\". There are: "));
  }
}

TEST(JsonLines, KnowsTheLineOfEveryValue) {
  const auto json = parse_json_with_lines("x.json",
                                          "// one\n{\n\"a\": 1\n,\n\"b\": [true,\n/* two\n */ "
                                          "{\"c~/d\": null}]\n}\n");
  EXPECT_EQ(json.lines.at(""), 2U);
  EXPECT_EQ(json.lines.at("/a"), 3U);
  EXPECT_EQ(json.lines.at("/b"), 5U);
  EXPECT_EQ(json.lines.at("/b/0"), 5U);
  EXPECT_EQ(json.lines.at("/b/1"), 7U);
  EXPECT_EQ(json.lines.at("/b/1/c~0~1d"), 7U);
  EXPECT_EQ(json.line_of("/b/1/missing/deeper"), 7U);
}

/// What a declaration announces is what the lab's host side defines, and nothing else.
TEST(EveryLab, BindsEachExperimentAndCheck) {
  for (const Lab& lab : load_all_labs()) {
    const Procedures& procedures = procedures_of(lab.id);
    std::vector<std::string> experiments;
    std::vector<std::string> checks;
    for (const auto& experiment : lab.experiments) experiments.push_back(experiment.id);
    for (const auto& check : lab.checks) checks.push_back(check.id);
    std::vector<std::string> bound_experiments;
    std::vector<std::string> bound_checks;
    for (const auto& [id, ignored] : procedures.experiments) bound_experiments.push_back(id);
    for (const auto& [id, ignored] : procedures.checks) bound_checks.push_back(id);
    EXPECT_THAT(bound_experiments, ::testing::UnorderedElementsAreArray(experiments)) << lab.id;
    EXPECT_THAT(bound_checks, ::testing::UnorderedElementsAreArray(checks)) << lab.id;
  }
}

}  // namespace
}  // namespace zcl::lab
