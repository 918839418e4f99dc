// SPDX-License-Identifier: MIT
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <fstream>

#include "harness/base/error.hh"
#include "harness/base/file_descriptor.hh"
#include "harness/grade/handout.hh"

namespace zcl::grade {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

const char* const kMarked =
    "int before;\n"
    "\t/* ZCL-BEGIN alloc: Allocate the blocks\n"
    "\t * Every error path frees.\n"
    "\t *\n"
    "\t * > return -ENOSYS;\n"
    "\t */\n"
    "\tsecret();\n"
    "\n"
    "\treturn 0;\n"
    "\t/* ZCL-END alloc */\n"
    "/* ZCL-BEGIN find: Find a block */\n"
    "hidden();\n"
    "/* ZCL-END find */\n"
    "int after;\n";

TEST(Blocks, AreReadWithStubAndSolution) {
  const auto blocks = parse_blocks("a.c", kMarked);
  ASSERT_EQ(blocks.size(), 2U);
  EXPECT_EQ(blocks[0].step, "alloc");
  EXPECT_EQ(blocks[0].title, "Allocate the blocks");
  EXPECT_EQ(blocks[0].first_line, 2U);
  EXPECT_THAT(blocks[0].told, ElementsAre("Every error path frees.", ""));
  EXPECT_THAT(blocks[0].stub_code, ElementsAre("return -ENOSYS;"));
  EXPECT_THAT(blocks[0].solution, ElementsAre("\tsecret();", "", "\treturn 0;"));
  EXPECT_EQ(blocks[1].step, "find");
}

TEST(HandOut, ReplacesBlocksByStubs) {
  EXPECT_EQ(hand_out_text("a.c", kMarked, {"alloc", "find"}),
            "int before;\n"
            "\t/* TODO alloc: Allocate the blocks\n"
            "\t * Every error path frees.\n"
            "\t *\n"
            "\t */\n"
            "\treturn -ENOSYS;\n"
            "/* TODO find: Find a block\n"
            " */\n"
            "int after;\n");
}

TEST(HandOut, SolvesTheOtherSteps) {
  EXPECT_EQ(hand_out_text("a.c", kMarked, {"find"}),
            "int before;\n"
            "\tsecret();\n"
            "\n"
            "\treturn 0;\n"
            "/* TODO find: Find a block\n"
            " */\n"
            "int after;\n");
}

TEST(HandOut, NamesThatBeginLikeAMarkerAreNone) {
  const std::string text = "int flags = ZCL_END_OF_PACKET;\nzcl_beginning();\n";
  EXPECT_TRUE(parse_blocks("a.c", text).empty());
  EXPECT_EQ(hand_out_text("a.c", text, {"alloc"}), text);
}

struct BadMarker {
  const char* text;
  const char* message;
};

void PrintTo(const BadMarker& marker, std::ostream* stream) {
  *stream << marker.message;
}

class BadMarkers : public testing::TestWithParam<BadMarker> {};

TEST_P(BadMarkers, AreRefusedWithTheirLine) {
  try {
    parse_blocks("a.c", GetParam().text);
    FAIL() << "accepted";
  } catch (const UsageError& error) {
    EXPECT_THAT(error.what(), HasSubstr(GetParam().message));
  }
}

INSTANTIATE_TEST_SUITE_P(
    Each, BadMarkers,
    testing::Values(
        BadMarker{"/* ZCL-BEGIN a: t */\nx\n", "a.c:1: ZCL-BEGIN a has no ZCL-END a"},
        BadMarker{"x\n/* ZCL-END a */\n", "a.c:2: expected"},
        BadMarker{"/* ZCL-BEGIN a: t */\n/* ZCL-BEGIN b: u */\n", "a.c:2: expected"},
        BadMarker{"/* ZCL-BEGIN a: t */\n/* ZCL-END b */\n", "a.c:2: ZCL-END b inside"},
        BadMarker{"/* ZCL-BEGIN a */\n", "a.c:1: expected"},
        BadMarker{"/* ZCL_BEGIN a: t */\n", "a.c:1: expected"},
        BadMarker{"/* zcl-begin a: t */\n", "a.c:1: expected"},
        BadMarker{"/* ZCL-BEGIN A: t */\n", "a.c:1: expected"},
        BadMarker{"x; /* ZCL-BEGIN a: t */\n", "a.c:1: expected"},
        BadMarker{"/* ZCL-BEGIN a: t */\n/* ZCL-END a */ x;\n", "a.c:2: expected"},
        BadMarker{"/* ZCL-BEGIN a: t\n */\n/* ZCL-BEGIN a: t\n", "a.c:3: expected"},
        BadMarker{"/* ZCL-BEGIN a: t\n * ZCL-END a\n */\n", "a.c:2: a marker inside the stub"},
        BadMarker{"/* ZCL-BEGIN a: t\ncode();\n", "a.c:2: a stub line"},
        BadMarker{"/* ZCL-BEGIN a: t\n * told */ code();\n", "a.c:2: the stub's comment"},
        BadMarker{"/* ZCL-BEGIN a: t\n * told\n", "a.c:1: ZCL-BEGIN a has no ZCL-END a"}));

lab::Lab lab_with_steps() {
  lab::Lab lab;
  lab.id = "01_proc_addr";
  lab.steps = {{.id = "alloc"}, {.id = "export"}, {.id = "find"}};
  return lab;
}

TEST(Steps, AreNamedByNumberOrId) {
  EXPECT_THAT(steps_from(lab_with_steps(), ""), ElementsAre("alloc", "export", "find"));
  EXPECT_THAT(steps_from(lab_with_steps(), "2"), ElementsAre("export", "find"));
  EXPECT_THAT(steps_from(lab_with_steps(), "find"), ElementsAre("find"));
}

TEST(Steps, UnknownOnesAreRefusedWithTheList) {
  for (const char* bad : {"0", "4", "write", "-1"}) {
    try {
      steps_from(lab_with_steps(), bad);
      FAIL() << bad << " accepted";
    } catch (const UsageError& error) {
      EXPECT_THAT(error.what(), HasSubstr("1 (alloc), 2 (export), 3 (find)"));
    }
  }
}

class HandOutFolder : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/zcl-handout-XXXXXX";
    root_ = ::mkdtemp(name);
    put("labs/common/lab.mk", "all:\n");
    put("labs/01_x/Makefile", "include lab.mk\n");
    put("labs/01_x/kernel/a.c", kMarked);
    put("labs/01_x/kernel/a.ko", "binary");
    put("labs/01_x/host/procedures.cc", "host only");
    put("labs/01_x/mutants/m.patch", "solution inside");
    lab_ = lab_with_steps();
    lab_.id = "01_x";
    lab_.folder = root_ / "labs/01_x";
    lab_.student_files = {"kernel/a.c"};
  }
  void TearDown() override { std::filesystem::remove_all(root_); }

  void put(const std::string& name, const std::string& text) {
    std::filesystem::create_directories((root_ / name).parent_path());
    std::ofstream(root_ / name) << text;
  }

  std::filesystem::path root_;
  lab::Lab lab_;
};

TEST_F(HandOutFolder, HoldsWhatAStudentNeedsAndNothingElse) {
  write_handout(lab_, "", root_ / "out");
  EXPECT_TRUE(std::filesystem::exists(root_ / "out/Makefile"));
  EXPECT_TRUE(std::filesystem::exists(root_ / "out/common/lab.mk"));
  EXPECT_THAT(base::read_text_file(root_ / "out/common/zcl.mk"), HasSubstr("LAB := 01_x\n"));
  EXPECT_FALSE(std::filesystem::exists(root_ / "out/host"));
  EXPECT_FALSE(std::filesystem::exists(root_ / "out/mutants"));
  EXPECT_FALSE(std::filesystem::exists(root_ / "out/kernel/a.ko"));
  const auto source = base::read_text_file(root_ / "out/kernel/a.c");
  EXPECT_EQ(source.find("secret"), std::string::npos);
  EXPECT_EQ(source.find("ZCL-"), std::string::npos);
}

TEST_F(HandOutFolder, IsNotWrittenOverAnything) {
  put("out/mine.c", "my work");
  EXPECT_THROW(write_handout(lab_, "", root_ / "out"), UsageError);
  EXPECT_EQ(base::read_text_file(root_ / "out/mine.c"), "my work");
  EXPECT_FALSE(std::filesystem::exists(root_ / "out/Makefile"));
}

TEST_F(HandOutFolder, LeavesNothingBehindWhenAMarkerIsWrong) {
  put("labs/01_x/kernel/a.c", "/* ZCL-BEGIN alloc: t */\n");
  EXPECT_THROW(write_handout(lab_, "", root_ / "out"), UsageError);
  EXPECT_FALSE(std::filesystem::exists(root_ / "out"));
}

}  // namespace
}  // namespace zcl::grade
