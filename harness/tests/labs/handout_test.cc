// SPDX-License-Identifier: MIT
// For every lab: the solution scores all points, the hand-out compiles without a warning, scores
// nothing, and gives no line of a solution away.
#include "harness/grade/handout.hh"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <sstream>

#include "harness/base/error.hh"
#include "harness/base/file_descriptor.hh"
#include "harness/base/paths.hh"
#include "harness/base/work_directory.hh"
#include "harness/grade/grade.hh"
#include "harness/grade/submission.hh"
#include "harness/tests/labs/lab_printer.hh"

namespace zcl::grade {
namespace {

namespace fs = std::filesystem;

/// A directory below build/ that is removed at the end.
class Scratch {
 public:
  fs::path operator/(const std::string& name) const { return directory_.path() / name; }

 private:
  base::WorkDirectory directory_{base::build_root() / "tests"};
};

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) {
    const auto begin = line.find_first_not_of(" \t");
    if (begin != std::string::npos) lines.push_back(line.substr(begin));
  }
  return lines;
}

/// Builds a submission of `lab`; fails the test for any diagnostic of the compiler.
void expect_clean_build(const lab::Lab& lab, const fs::path& submission, const Scratch& scratch) {
  lab::stage(lab, scratch / "tree", submission);
  std::string log;
  const auto runner = [&](const base::Command& command) {
    auto result = base::run_command(command);
    log += result.output + result.error;
    return result;
  };
  ASSERT_NO_THROW(lab::build(lab, scratch / "tree", lab::RunOptions{}.kernel, runner)) << log;
  EXPECT_EQ(log.find("warning:"), std::string::npos) << log;
}

class EachLab : public testing::TestWithParam<lab::Lab> {
 protected:
  /// Ids of the checks of `steps`, with the points they are worth.
  static std::vector<std::string> checks_of(const std::set<std::string>& steps) {
    std::vector<std::string> ids;
    for (const auto& check : GetParam().checks) {
      if (steps.contains(check.step)) ids.push_back(check.id);
    }
    return ids;
  }
};

TEST_P(EachLab, SolutionScoresAllPoints) {
  base::Progress progress("solution", GetParam().checks.size(), true);
  const Scratch scratch;
  take_submission(GetParam(), GetParam().folder, scratch / "solution");
  const auto grade = grade_submission(GetParam(), scratch / "solution", {}, progress, Control::skip,
                                      Confinement::none);
  for (const auto& check : grade.checks) {
    EXPECT_EQ(check.status, report::CheckStatus::passed) << check.id << ": " << check.message;
  }
  EXPECT_EQ(grade.points, 100U) << grade.build_error;
  EXPECT_EQ(grade.max_points, 100U);
}

TEST_P(EachLab, HandOutCompilesAndScoresNothing) {
  base::Progress progress("hand-out", GetParam().checks.size(), true);
  const Scratch scratch;
  write_handout(GetParam(), "", scratch / "handout");
  expect_clean_build(GetParam(), scratch / "handout", scratch);
  const auto grade = grade_submission(GetParam(), scratch / "handout", {}, progress, Control::skip,
                                      Confinement::none);
  EXPECT_EQ(grade.build_error, "");
  for (const auto& check : grade.checks) {
    EXPECT_EQ(check.points, 0U) << check.id << " passes in the hand-out";
  }
}

TEST_P(EachLab, StepsCanBeHandedOutOneAtATime) {
  base::Progress progress("steps", 1, true);
  std::set<std::string> solved;
  for (const auto& step : GetParam().steps) {
    SCOPED_TRACE("hand-out of step " + step.id);
    const Scratch scratch;
    write_handout(GetParam(), step.id, scratch / "handout");
    expect_clean_build(GetParam(), scratch / "handout", scratch);
    // Only this step's checks, and what they need: earlier steps pass, this one does not.
    const auto grade = grade_submission(GetParam(), scratch / "handout", {}, progress,
                                        Control::skip, Confinement::none, checks_of({step.id}));
    for (const auto& check : grade.checks) {
      const auto declared = std::ranges::find(GetParam().checks, check.id, &lab::Check::id);
      ASSERT_NE(declared, GetParam().checks.end());
      if (declared->step == step.id) {
        EXPECT_NE(check.status, report::CheckStatus::passed) << check.id;
      } else if (solved.contains(declared->step)) {
        EXPECT_EQ(check.status, report::CheckStatus::passed) << check.id << ": " << check.message;
      }
    }
    solved.insert(step.id);
  }
}

TEST_P(EachLab, HandOutGivesNoSolutionLineAway) {
  const Scratch scratch;
  write_handout(GetParam(), "", scratch / "handout");
  std::set<std::string> secret;
  std::set<std::string> open;
  for (const auto& file : GetParam().student_files) {
    const auto text = base::read_text_file(GetParam().folder / file);
    const auto blocks = parse_blocks(file, text);
    EXPECT_FALSE(blocks.empty()) << file << " has no block";
    for (const auto& block : blocks) {
      for (const auto& line : block.solution) {
        for (const auto& trimmed : lines_of(line)) secret.insert(trimmed);
      }
    }
    std::vector<std::string> steps;
    for (const auto& step : GetParam().steps) steps.push_back(step.id);
    for (const auto& line : lines_of(hand_out_text(file, text, steps))) open.insert(line);
  }
  // A line such as "return 0;" gives nothing away: one that also stands outside of every block, or
  // that is as short as a declaration of a loop's counter.
  for (const auto& line : open) secret.erase(line);
  for (auto line = secret.begin(); line != secret.end();) {
    const bool says_something =
        std::ranges::count_if(*line, [](unsigned char c) { return std::isalnum(c) != 0; }) >= 20;
    line = says_something ? std::next(line) : secret.erase(line);
  }
  EXPECT_FALSE(secret.empty());
  for (const auto& entry : fs::recursive_directory_iterator(scratch / "handout")) {
    if (!entry.is_regular_file()) continue;
    for (const auto& line : lines_of(base::read_text_file(entry.path()))) {
      EXPECT_FALSE(secret.contains(line)) << entry.path() << ": " << line;
    }
  }
}

TEST_P(EachLab, HandOutKnowsItsGrader) {
  const Scratch scratch;
  write_handout(GetParam(), "", scratch / "handout");
  const auto make =
      base::run_command({.argv = {"make", "--dry-run", "check"}, .directory = scratch / "handout"});
  EXPECT_TRUE(make.ok()) << make.error;
  EXPECT_EQ(make.output, (base::build_root() / "zcl").string() + " grade --lab " + GetParam().id +
                             " --submission . --no-sandbox\n");
}

TEST_P(EachLab, BlocksBelongToDeclaredSteps) {
  std::set<std::string> declared;
  std::set<std::string> found;
  for (const auto& step : GetParam().steps) declared.insert(step.id);
  for (const auto& file : GetParam().student_files) {
    for (const auto& block : parse_blocks(file, base::read_text_file(GetParam().folder / file))) {
      found.insert(block.step);
    }
  }
  EXPECT_EQ(found, declared);
}

INSTANTIATE_TEST_SUITE_P(Labs, EachLab, testing::ValuesIn(lab::load_all_labs()),
                         [](const auto& tested) { return tested.param.id; });

}  // namespace
}  // namespace zcl::grade
