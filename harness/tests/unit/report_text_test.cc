// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include "harness/base/random.hh"
#include "harness/report/text.hh"

namespace zcl::report {
namespace {

TEST(Printable, KeepsTextNewlineAndTab) {
  EXPECT_EQ(printable("plain\ttext\nand \xC3\xA9 \xE2\x82\xAC \xF0\x9F\x90\xA7"),
            "plain\ttext\nand \xC3\xA9 \xE2\x82\xAC \xF0\x9F\x90\xA7");
  EXPECT_EQ(printable("serial console\r\n"), "serial console\n");
}

TEST(Printable, ReplacesWhatIsNotTextOrControlsATerminal) {
  const std::string bad = "\xEF\xBF\xBD";
  EXPECT_EQ(printable("\033[31m"), bad + "[31m");
  EXPECT_EQ(printable("a\xFFz"), "a" + bad + "z");
  EXPECT_EQ(printable("\xC0\x80"), bad + bad);            // overlong
  EXPECT_EQ(printable("\xED\xA0\x80"), bad + bad + bad);  // surrogate
  EXPECT_EQ(printable("\xE2\x80\xAE"), bad);              // right-to-left override
  EXPECT_EQ(printable("\xE2\x82"), bad + bad);            // cut short
  EXPECT_EQ(printable(std::string("\0", 1)), bad);
  EXPECT_EQ(printable("\xC2\x9B"), bad);  // C1: the one-byte CSI
}

TEST(Printable, MakesAnyBytesPrintableAndThenLeavesThemAlone) {
  base::RandomStream random(1, "printable");
  for (int i = 0; i < 200; ++i) {
    const auto bytes = random.bytes(random.below(64));
    const auto once = printable({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
    EXPECT_EQ(printable(once), once);
    for (const auto& line : wrap(once, 10)) EXPECT_LE(display_width(line), 10U);
  }
}

TEST(Wrap, BreaksAtSpacesAndElseInsideAWord) {
  EXPECT_EQ(wrap("one two three", 7), (std::vector<std::string>{"one two", "three"}));
  EXPECT_EQ(wrap("abcdefgh", 3), (std::vector<std::string>{"abc", "def", "gh"}));
  EXPECT_EQ(wrap("", 5), (std::vector<std::string>{""}));
  EXPECT_EQ(wrap("a\n\nb", 5), (std::vector<std::string>{"a", "", "b"}));
}

TEST(Wrap, CountsWideAndCombiningCharacters) {
  EXPECT_EQ(display_width("\xE6\xBC\xA2\xE5\xAD\x97"), 4U);
  EXPECT_EQ(display_width("e\xCC\x81"), 1U);
  EXPECT_EQ(wrap("\xE6\xBC\xA2\xE5\xAD\x97", 3),
            (std::vector<std::string>{"\xE6\xBC\xA2", "\xE5\xAD\x97"}));
}

}  // namespace
}  // namespace zcl::report
