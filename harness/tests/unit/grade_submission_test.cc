// SPDX-License-Identifier: MIT
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <fstream>
#include <functional>

#include "harness/base/error.hh"
#include "harness/base/file_descriptor.hh"
#include "harness/grade/mutant.hh"
#include "harness/grade/submission.hh"

namespace zcl::grade {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class Submission : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/zcl-submission-XXXXXX";
    root_ = ::mkdtemp(name);
    put("in/kernel/a.c", "first\nsecond\nthird\n");
    lab_.id = "01_x";
    lab_.folder = root_ / "in";
    lab_.student_files = {"kernel/a.c"};
    lab_.checks = {{.id = "01.a"}, {.id = "01.b"}};
  }
  void TearDown() override { fs::remove_all(root_); }

  void put(const std::string& name, const std::string& text) {
    fs::create_directories((root_ / name).parent_path());
    std::ofstream(root_ / name) << text;
  }
  std::string refusal() {
    try {
      take_submission(lab_, root_ / "in", root_ / "taken");
      return "(accepted)";
    } catch (const UsageError& error) {
      return error.what();
    }
  }

  fs::path root_;
  lab::Lab lab_;
};

TEST_F(Submission, OnlyNamedFilesAreTaken) {
  put("in/Makefile", "all: ; rm -rf /");
  take_submission(lab_, root_ / "in", root_ / "taken");
  EXPECT_EQ(base::read_text_file(root_ / "taken/kernel/a.c"), "first\nsecond\nthird\n");
  EXPECT_FALSE(fs::exists(root_ / "taken/Makefile"));
}

TEST_F(Submission, MissingFileIsNamed) {
  fs::remove(root_ / "in/kernel/a.c");
  EXPECT_THAT(refusal(), HasSubstr("kernel/a.c cannot be opened: No such file"));
}

TEST_F(Submission, MissingDirectoryIsNamed) {
  fs::remove_all(root_ / "in");
  EXPECT_THAT(refusal(), HasSubstr("is not a directory that can be read"));
}

TEST_F(Submission, LinkIsRefused) {
  fs::remove(root_ / "in/kernel/a.c");
  fs::create_symlink("/etc/passwd", root_ / "in/kernel/a.c");
  EXPECT_THAT(refusal(), HasSubstr("symbolic link"));
}

TEST_F(Submission, LinkedDirectoryIsRefused) {
  put("elsewhere/a.c", "secret of the host\n");
  fs::remove_all(root_ / "in/kernel");
  fs::create_directory_symlink(root_ / "elsewhere", root_ / "in/kernel");
  EXPECT_THAT(refusal(), HasSubstr("symbolic link"));
}

TEST_F(Submission, FifoIsRefusedWithoutWaitingForItsWriter) {
  fs::remove(root_ / "in/kernel/a.c");
  ASSERT_EQ(::mkfifo((root_ / "in/kernel/a.c").c_str(), 0600), 0);
  EXPECT_THAT(refusal(), HasSubstr("not a regular file"));
}

TEST_F(Submission, DirectoryInPlaceOfAFileIsRefused) {
  fs::remove(root_ / "in/kernel/a.c");
  fs::create_directory(root_ / "in/kernel/a.c");
  EXPECT_THAT(refusal(), HasSubstr("not a regular file"));
}

TEST_F(Submission, TooLargeFileIsRefused) {
  put("in/kernel/a.c", std::string(kStudentFileLimit + 1, 'x'));
  EXPECT_THAT(refusal(), HasSubstr("is larger than 512 KiB"));
  put("in/kernel/a.c", std::string(kStudentFileLimit, 'x'));
  EXPECT_EQ(refusal(), "(accepted)");
}

constexpr const char* kDiff =
    "--- a/kernel/a.c\n+++ b/kernel/a.c\n@@ -1,3 +1,3 @@\n first\n-second\n+wrong\n third\n";

class MutantFile : public Submission {
 protected:
  std::string problem() {
    try {
      const auto mutants = load_mutants(lab_);
      for (const auto& mutant : mutants) write_mutant(lab_, mutant, root_ / "mutated");
      return {};
    } catch (const UsageError& error) {
      return error.what();
    }
  }
};

TEST_F(MutantFile, AppliesItsMistake) {
  put("in/mutants/m.patch", std::string("Mistake: none\nLoses: 01.b, 01.a\n\n") + kDiff);
  const auto mutants = load_mutants(lab_);
  ASSERT_EQ(mutants.size(), 1U);
  EXPECT_EQ(mutants[0].name, "m");
  EXPECT_THAT(mutants[0].loses, testing::ElementsAre("01.a", "01.b"));
  write_mutant(lab_, mutants[0], root_ / "mutated");
  EXPECT_EQ(base::read_text_file(root_ / "mutated/kernel/a.c"), "first\nwrong\nthird\n");
}

TEST_F(MutantFile, NeedsItsHeader) {
  put("in/mutants/m.patch", kDiff);
  EXPECT_THAT(problem(), HasSubstr("m.patch: expected a line \"Mistake: …\""));
}

TEST_F(MutantFile, MayNotNameAnUnknownCheck) {
  put("in/mutants/m.patch", std::string("Mistake: x\nLoses: 01.z\n") + kDiff);
  EXPECT_THAT(problem(), HasSubstr("has no check 01.z"));
}

TEST_F(MutantFile, ThatDoesNotFitItsSourceIsRefused) {
  put("in/kernel/a.c", "first\nSECOND\nthird\n");
  put("in/mutants/m.patch", std::string("Mistake: x\nLoses: 01.a\n") + kDiff);
  EXPECT_THAT(problem(), HasSubstr("does not apply"));
}

}  // namespace
}  // namespace zcl::grade
