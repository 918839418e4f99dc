// SPDX-License-Identifier: MIT
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "harness/base/error.hh"
#include "harness/lab/build.hh"
#include "harness/tests/unit/lab_fixture.hh"

namespace zcl::lab {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

void write(const fs::path& path, std::string_view text) {
  fs::create_directories(path.parent_path());
  base::write_file_atomically(path, text);
}

TEST(Stage, CopiesSourcesAndLeavesProductsAndTheHostSideBehind) {
  const ScratchDirectory scratch;
  stage(tiny_lab(), scratch.path());
  EXPECT_TRUE(fs::exists(scratch.path() / "common/greeting.h"));
  EXPECT_TRUE(fs::exists(scratch.path() / "99_tiny/user/hello.c"));
  EXPECT_FALSE(fs::exists(scratch.path() / "99_tiny/host"));
}

TEST(Stage, TouchesOnlyWhatChangedAndDropsWhatIsGone) {
  const ScratchDirectory scratch;
  const auto labs = scratch.path() / "labs";
  fs::copy(tiny_lab_folder().parent_path(), labs, fs::copy_options::recursive);
  write(labs / "99_tiny/user/extra.h", "int extra;\n");
  write(labs / "99_tiny/user/stale.o", "object");
  const Lab lab = load_lab(labs / "99_tiny/lab.json");
  const auto staged = scratch.path() / "staged";
  stage(lab, staged);
  EXPECT_TRUE(fs::exists(staged / "99_tiny/user/extra.h"));
  EXPECT_FALSE(fs::exists(staged / "99_tiny/user/stale.o"));

  const auto long_ago = fs::file_time_type::clock::now() - std::chrono::hours(1);
  fs::last_write_time(staged / "99_tiny/user/hello.c", long_ago);
  fs::last_write_time(staged / "common/greeting.h", long_ago);
  write(staged / "99_tiny/user/hello", "built");
  write(labs / "common/greeting.h", "#define GREETING \"changed\"\n");
  fs::remove(labs / "99_tiny/user/extra.h");
  stage(lab, staged);
  EXPECT_EQ(fs::last_write_time(staged / "99_tiny/user/hello.c"), long_ago);
  EXPECT_NE(fs::last_write_time(staged / "common/greeting.h"), long_ago);
  EXPECT_FALSE(fs::exists(staged / "99_tiny/user/extra.h"));
  EXPECT_TRUE(fs::exists(staged / "99_tiny/user/hello"));  // a product of the staged build
}

TEST(Stage, TakesStudentFilesFromASubmission) {
  const ScratchDirectory scratch;
  const auto submission = scratch.path() / "submission";
  write(submission / "user/hello.c", "int main(void) { return 1; }\n");
  write(submission / "Makefile", "all: ; false\n");
  const auto staged = scratch.path() / "staged";
  stage(tiny_lab(), staged, submission);
  EXPECT_EQ(base::read_text_file(staged / "99_tiny/user/hello.c"),
            "int main(void) { return 1; }\n");
  EXPECT_EQ(base::read_text_file(staged / "99_tiny/Makefile"),
            base::read_text_file(tiny_lab_folder() / "Makefile"));
}

TEST(Stage, NeverFallsBackToTheSolution) {
  const ScratchDirectory scratch;
  const auto submission = scratch.path() / "submission";
  fs::create_directories(submission / "user");
  EXPECT_THROW(stage(tiny_lab(), scratch.path() / "one", submission), UsageError);
  fs::create_symlink(tiny_lab_folder() / "user/hello.c", submission / "user/hello.c");
  EXPECT_THROW(stage(tiny_lab(), scratch.path() / "two", submission), UsageError);
}

TEST(Build, MakesWhatTheLabNames) {
  const ScratchDirectory scratch;
  const Lab lab = tiny_lab();
  stage(lab, scratch.path());
  const auto built = build(lab, scratch.path(), "6.1");
  EXPECT_EQ(base::run_command({.argv = {built.artefact("user/hello")}}).output, "hello\n");
  EXPECT_THROW(static_cast<void>(built.artefact("user/nothing")), EnvironmentError);
}

TEST(Build, TellsWhatTheCompilerSaidWithPathsOfTheLab) {
  const ScratchDirectory scratch;
  const Lab lab = tiny_lab();
  stage(lab, scratch.path());
  write(scratch.path() / "99_tiny/user/hello.c", "int main(void) { return x; }\n");
  try {
    build(lab, scratch.path(), "6.1");
    FAIL() << "built";
  } catch (const BuildFailed& failure) {
    EXPECT_THAT(failure.what(), HasSubstr("user/hello.c:1:"));
    EXPECT_THAT(failure.what(), ::testing::Not(HasSubstr(scratch.path().string())));
  }
}

TEST(Build, UsesTheRunnerThatItIsGiven) {
  const ScratchDirectory scratch;
  const Lab lab = tiny_lab();
  stage(lab, scratch.path());
  std::vector<std::string> seen;
  EXPECT_THROW(build(lab, scratch.path(), "6.1",
                     [&](const base::Command& command) {
                       seen = command.argv;
                       return base::CommandResult{.exit_status = 2, .error = "no"};
                     }),
               BuildFailed);
  EXPECT_THAT(seen, ::testing::Contains("W=1"));
}

TEST(Build, SaysHowToGetAMissingKernel) {
  const ScratchDirectory scratch;
  const Lab lab = tiny_lab();
  stage(lab, scratch.path());
  EXPECT_THROW(build(lab, scratch.path(), "5.4"), Error);
}

}  // namespace
}  // namespace zcl::lab
