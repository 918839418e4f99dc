// SPDX-License-Identifier: MIT
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

#include "harness/base/error.hh"
#include "harness/base/file_descriptor.hh"
#include "harness/base/paths.hh"
#include "harness/report/html.hh"
#include "harness/report/json.hh"
#include "harness/report/json_schema.hh"
#include "harness/report/metric_table.hh"
#include "harness/report/plot.hh"
#include "harness/report/table.hh"
#include "harness/report/text.hh"
#include "harness/tests/unit/report_sample.hh"

namespace zcl::report {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

/// Unlike HasSubstr, does not print the whole document when it fails.
bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST(ReportSchema, TakesAReportWithSomethingOfEverything) {
  EXPECT_NO_THROW(require_valid(to_json(sample_report())));
  EXPECT_NO_THROW(require_valid(to_json(Report{})));
}

TEST(ReportSchema, EnumeratesTheVocabularyOfMetrics) {
  std::vector<std::string> expected;
  for (const auto& name : metric_names()) expected.emplace_back(name.name);
  const auto& schema = report_schema();
  const auto named = schema.at("/definitions/metric/properties/name/enum"_json_pointer)
                         .get<std::vector<std::string>>();
  EXPECT_EQ(named, expected);
}

TEST(ReportFormatDocs, ListEachMetricWithItsUnit) {
  const auto docs = base::read_text_file(base::source_root() / "docs/report_format.rst");
  for (const auto& name : metric_names()) {
    EXPECT_TRUE(contains(docs, "``" + std::string(name.name) + "``\n     - " + name.unit + "\n"))
        << name.name;
  }
}

/// A change of a valid report, and what is then said of it.
struct Damage {
  const char* pointer;
  nlohmann::json value;
  const char* complaint;
};

class ReportSchemaDamage : public ::testing::TestWithParam<Damage> {};

TEST_P(ReportSchemaDamage, IsRefusedWithItsPlace) {
  auto json = to_json(sample_report());
  json[nlohmann::json::json_pointer(GetParam().pointer)] = GetParam().value;
  try {
    report_from_json(json);
    FAIL() << "accepted";
  } catch (const UsageError& error) {
    EXPECT_THAT(error.what(), HasSubstr(GetParam().complaint));
  }
}

INSTANTIATE_TEST_SUITE_P(
    All, ReportSchemaDamage,
    ::testing::Values(
        Damage{"/schema", "zcl-report/2", "at \"/schema\" expected the string \"zcl-report/1\""},
        Damage{"/seed", -1, "at \"/seed\" expected the seed"},
        Damage{"/labs/0/checks/0/status", "maybe", "expected one of passed, failed, skipped"},
        Damage{"/labs/0/experiments/0/claim/verdict", "yes", "expected one of confirmed"},
        Damage{"/labs/0/experiments/0/metrics/0/name", "speed", "a name of the vocabulary"},
        Damage{"/labs/0/experiments/0/metrics/0/value", "3", "expected the figure"},
        Damage{"/labs/0/experiments/0/article/0", "Z1", "a row of the article digest"},
        Damage{"/labs/0/id", "sample", "expected the lab's folder name"},
        Damage{"/labs/0/extra", 1, "expected only the keys"}));

TEST(ReportSchema, RefusesAMissingKey) {
  auto json = to_json(sample_report());
  json["labs"][0]["checks"][1].erase("points");
  const auto violation = find_violation(report_schema(), json);
  ASSERT_TRUE(violation);
  EXPECT_EQ(violation->pointer, "/labs/0/checks/1");
  EXPECT_EQ(violation->message, "expected the key \"points\" here");
}

TEST(ReportJson, ComesBackAsItWent) {
  const auto json = to_json(sample_report());
  EXPECT_EQ(to_json(report_from_json(json)), json);
}

TEST(ReportTable, StaysWithinItsWidth) {
  auto report = sample_report();
  report.labs[0].title = std::string(200, 'x');
  report.labs[0].experiments[0].claim.because +=
      " \xE6\xBC\xA2\xE5\xAD\x97\xE6\xBC\xA2\xE5\xAD\x97" + std::string(300, 'w') + " and more";
  report.labs[0].experiments[0].id = std::string(60, 'i');
  for (const std::size_t width : {60U, 80U, 132U}) {
    std::istringstream lines(to_table(report, {.width = width}));
    for (std::string line; std::getline(lines, line);) {
      EXPECT_LE(display_width(line), width) << line;
    }
  }
}

TEST(ReportTable, ShowsVerdictsPointsReasonsAndTotals) {
  const auto text = to_table(sample_report());
  EXPECT_THAT(text, HasSubstr("40/100 points"));
  EXPECT_THAT(text, HasSubstr("refuted"));
  EXPECT_THAT(text, HasSubstr("Hint: look"));
  EXPECT_THAT(text, HasSubstr("Order 10 succeeded"));
  EXPECT_THAT(text, HasSubstr("1 lab; 3 checks: 1 passed, 1 failed, 1 skipped; 1 experiment: 1 "
                              "refuted."));
}

TEST(ReportTable, LetsNoEscapeSequenceThrough) {
  auto report = sample_report();
  report.labs[0].checks[1].message =
      "\033]0;title\007 \033[2J\x9b"
      "31m";
  EXPECT_THAT(to_table(report), Not(HasSubstr("\033")));
  EXPECT_THAT(to_table(report, {.width = 80, .color = true}), Not(HasSubstr("\033]")));
}

TEST(ReportHtml, EscapesEveryText) {
  const auto html = to_html(sample_report());
  EXPECT_FALSE(contains(html, "<script")) << "<script";
  EXPECT_TRUE(contains(html, "&lt;script&gt;alert(1)&lt;/script&gt;"))
      << "&lt;script&gt;alert(1)&lt;/script&gt;";
  EXPECT_TRUE(contains(html, "A lab with &lt;angle&gt; brackets &amp; more"))
      << "A lab with &lt;angle&gt; brackets &amp; more";
  EXPECT_TRUE(contains(html, "&lt;b&gt;any&lt;/b&gt; &amp; all"))
      << "&lt;b&gt;any&lt;/b&gt; &amp; all";
  EXPECT_TRUE(contains(html, "&lt;end&gt;")) << "&lt;end&gt;";
}

TEST(ReportHtml, NeedsNothingFromElsewhere) {
  const auto html = to_html(sample_report());
  for (const char* outside : {"http://", "https://", "<link", "src=\"/", "@import", "url("}) {
    EXPECT_FALSE(contains(html, outside)) << outside;
  }
  EXPECT_TRUE(contains(html, "data:image/svg+xml;base64,")) << "data:image/svg+xml;base64,";
}

TEST(ReportHtml, ShowsClaimVerdictFiguresAndEnvironment) {
  const auto html = to_html(sample_report());
  EXPECT_TRUE(contains(html, "<span class=\"badge refuted\">refuted</span>"))
      << "<span class=\"badge refuted\">refuted</span>";
  EXPECT_TRUE(contains(html, "Order 9 is the limit.")) << "Order 9 is the limit.";
  EXPECT_TRUE(contains(html, "0x103a00000")) << "0x103a00000";
  EXPECT_TRUE(contains(html, "QEMU emulator version 7.2")) << "QEMU emulator version 7.2";
}

TEST(ArrangeMetrics, GivesEachLabelAndEachFigureAColumn) {
  const auto tables = arrange_metrics(sample_report().labs[0].experiments[0].metrics);
  ASSERT_EQ(tables.size(), 2U);
  ASSERT_EQ(tables[0].columns.size(), 3U);
  EXPECT_EQ(tables[0].columns[0].name, "method");
  EXPECT_EQ(tables[0].columns[1].name, "census places");
  EXPECT_EQ(tables[0].rows[0], (std::vector<std::string>{"recvfrom", "3", ""}));
  EXPECT_EQ(tables[0].rows[1], (std::vector<std::string>{"mmap", "1", "0x103a00000"}));
  EXPECT_EQ(tables[1].rows[0], (std::vector<std::string>{"1.5 [1.4; 1.6]"}));
}

TEST(ArrangeMetrics, LeavesOutAUnitThatTheNameSays) {
  const auto tables = arrange_metrics(
      {{"syscalls_per_packet", "calls/packet", 1, "count"}, {"matches", "runs", 2, "count"}});
  EXPECT_EQ(tables[0].columns[0].unit, "");
  EXPECT_EQ(tables[0].columns[1].unit, "runs");
}

TEST(FormatValue, IsExactForWholeNumbersAndShortForOthers) {
  EXPECT_EQ(format_value(0, "places"), "0");
  EXPECT_EQ(format_value(1397, "probes"), "1397");
  EXPECT_EQ(format_value(12345678, "bytes"), "12\u202F345\u202F678");
  EXPECT_EQ(format_value(-12345, "bytes"), "-12\u202F345");
  EXPECT_EQ(format_value(0.123456, "ratio"), "0.1235");
  EXPECT_EQ(format_value(54321.5, "ratio"), "54\u202F322");
  EXPECT_EQ(format_value(231, "bits"), "0xe7");
  EXPECT_EQ(format_value(0xffff887f5fa00000p0, "address"), "0xffff887f5fa00000");
}

TEST(Plot, PutsSeriesOfTheSameAxesIntoOnePicture) {
  const std::vector<Series> series = {{"o'ne", "n", "cost", {{1, 1}, {1000, 5}}, {}},
                                      {"two", "n", "cost", {{1, 2}}, {}},
                                      {"other", "n", "time", {{1, 2}}, {}},
                                      {"empty", "n", "time", {}, {}}};
  const auto figures = plot(series);
  ASSERT_EQ(figures.size(), 2U);
  EXPECT_THAT(figures[0], HasSubstr("o'ne"));
  EXPECT_THAT(figures[0], HasSubstr("two"));
  EXPECT_THAT(figures[1], HasSubstr("time"));
}

}  // namespace
}  // namespace zcl::report
