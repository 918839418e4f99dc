// SPDX-License-Identifier: MIT
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <sstream>

#include "harness/xray/demonstration.hh"
#include "harness/xray/figure.hh"
#include "harness/xray/text.hh"

namespace zcl::xray {
namespace {

using ::testing::HasSubstr;

struct Evidence {
  Census census;
  std::vector<EvidenceChain> chains;
};

Evidence evidence(std::size_t places) {
  Evidence result;
  result.census.bytes_searched = 300U << 20;
  for (std::size_t i = 0; i < places; ++i) {
    Place place;
    place.address = 0x10000 * (i + 1) + 0xf80;
    place.end = 1000;
    place.complete = true;
    place.kind = i == 0 ? PlaceKind::nic_buffer : PlaceKind::user;
    place.name = i == 0 ? "receive buffer 3 of net0 (e1000), kernel page (of a block of 8)"
                        : "anonymous page of <reader> & \"co\" (pid 71) at 0x7ffc12345678";
    result.census.places.push_back(place);
    EvidenceChain chain;
    chain.place = place;
    if (i == 0) {
      chain.descriptor = NicDescriptor{3, 0x5030, 0x10f80, 1014, 2048, true, false, true};
    } else {
      Mapping mapping;
      mapping.task = {71, "<reader>", {0x20000, 5}, 0};
      mapping.translation.virtual_address = 0x7ffc12345678;
      mapping.translation.page_size = 4096;
      for (int level = 5; level > 0; --level) {
        mapping.translation.entries.push_back({level, 0x20000, 0x8000000123456067});
      }
      chain.mappings.assign(6, mapping);
    }
    result.chains.push_back(chain);
  }
  return result;
}

TEST(XrayText, FitsEightyColumns) {
  const auto [census, chains] = evidence(3);
  const std::string text = to_text(census, chains);
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) EXPECT_LE(line.size(), 80U) << line;
  EXPECT_THAT(text, HasSubstr("3 copies"));
  EXPECT_THAT(text, HasSubstr("receive descriptor 3 at 0x5030 -> buffer 0x10f80, done, 1014"));
  EXPECT_THAT(text, HasSubstr("PML5=0x8000000123456067"));
  EXPECT_THAT(text, HasSubstr("2 more mappings"));
}

TEST(XrayText, SaysWhenThereIsNothing) {
  Census census;
  EXPECT_THAT(to_text(census, {}), HasSubstr("nowhere"));
  EXPECT_THAT(draw_census({"t", ""}, 512U << 20, 512U << 20, census, {}), HasSubstr("nowhere"));
}

TEST(XrayJson, HoldsTheWholeChain) {
  const auto [census, chains] = evidence(2);
  const auto json = to_json(census, chains);
  EXPECT_EQ(json["copies"], 2);
  EXPECT_EQ(json["places"][0]["kind"], "nic_buffer");
  EXPECT_EQ(json["places"][0]["descriptor"]["index"], 3);
  EXPECT_EQ(json["places"][1]["mappings"][0]["entries"][4]["level"], 1);
  EXPECT_FALSE(json["places"][1].contains("descriptor"));
}

/// Enough of an XML parser to see that elements nest and that text is escaped.
void expect_well_formed(const std::string& xml) {
  std::vector<std::string> open;
  for (std::size_t at = xml.find('<'); at != std::string::npos; at = xml.find('<', at + 1)) {
    const std::size_t end = xml.find('>', at);
    ASSERT_NE(end, std::string::npos);
    const std::string tag = xml.substr(at + 1, end - at - 1);
    ASSERT_EQ(tag.find('<'), std::string::npos) << tag;
    if (tag.back() == '/') continue;
    const std::string name = tag.substr(0, tag.find(' '));
    if (name[0] != '/') {
      open.push_back(name);
    } else {
      ASSERT_FALSE(open.empty());
      EXPECT_EQ("/" + open.back(), name);
      open.pop_back();
    }
  }
  EXPECT_TRUE(open.empty());
  for (std::size_t at = xml.find('&'); at != std::string::npos; at = xml.find('&', at + 1)) {
    const std::string entity = xml.substr(at, 6);
    EXPECT_THAT(entity,
                ::testing::AnyOf(::testing::StartsWith("&amp;"), ::testing::StartsWith("&lt;"),
                                 ::testing::StartsWith("&gt;"), "&quot;"));
  }
}

TEST(XrayFigure, IsAnAccessibleDocumentForAnyNumberOfPlaces) {
  for (const std::size_t places : {0U, 1U, 2U, 10U, 30U}) {
    const auto [census, chains] = evidence(places);
    const std::string svg = draw_census({"a <b> & c", "x"}, 2ULL << 30, 6ULL << 30, census, chains);
    expect_well_formed(svg);
    EXPECT_THAT(svg, HasSubstr("role=\"img\""));
    EXPECT_THAT(svg, HasSubstr("<title>a &lt;b&gt; &amp; c</title>"));
    EXPECT_THAT(svg, HasSubstr("<desc>"));
    EXPECT_EQ(svg.find(" id="), std::string::npos) << "several may stand in one page";
    if (places == 30) {
      EXPECT_THAT(svg, HasSubstr("and 20 more places"));
    }
  }
}

TEST(XrayOptions, RefuseWhatDoesNotExist) {
  const auto message_of = [](const std::function<void(XrayOptions&)>& change) {
    XrayOptions options;
    change(options);
    try {
      run_xray(options);
    } catch (const UsageError& error) {
      return std::string(error.what());
    }
    return std::string("no error");
  };
  EXPECT_THAT(message_of([](auto& options) { options.nic = "tulip"; }),
              HasSubstr("no NIC is called \"tulip\"; there are e1000, rtl8139"));
  EXPECT_THAT(message_of([](auto& options) { options.method = "guess"; }),
              HasSubstr("no way to receive is called \"guess\"; there are recvfrom, read"));
  EXPECT_THAT(message_of([](auto& options) { options.length = 47; }),
              HasSubstr("48 to 1500 bytes, not 47"));
  EXPECT_THAT(message_of([](auto& options) { options.length = 1501; }), HasSubstr("not 1501"));
}

TEST(XrayWrap, KeepsWordsWhole) {
  EXPECT_THAT(wrap("a bb ccc", 4), ::testing::ElementsAre("a bb", "ccc"));
  EXPECT_THAT(wrap("abcdefgh i", 4), ::testing::ElementsAre("abcdefgh", "i"));
  EXPECT_TRUE(wrap("", 4).empty());
  EXPECT_EQ(size_text(300U << 20), "300 MiB");
  EXPECT_EQ(size_text(100), "100 bytes");
}

}  // namespace
}  // namespace zcl::xray
