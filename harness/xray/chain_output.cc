// SPDX-License-Identifier: MIT
// The evidence for a person at 80 columns, and as JSON.
#include <nlohmann/json.hpp>

#include "harness/xray/chain.hh"
#include "harness/xray/text.hh"

namespace zcl::xray {
namespace {

constexpr std::size_t kWidth = 80;
constexpr std::size_t kIndent = 5;
/// Mappings of one place that the text lists.
constexpr std::size_t kMappingsShown = 4;

/// `text` wrapped, each line indented; `bullet` stands before the first.
void paragraph(std::string& out, const std::string& bullet, const std::string& text) {
  std::string before(kIndent, ' ');
  before.replace(0, bullet.size(), bullet);
  for (const std::string& line : wrap(text, kWidth - kIndent)) {
    out += before + line + "\n";
    before.assign(kIndent, ' ');
  }
}

std::string extent(const Place& place) {
  if (place.complete) return "whole";
  return "bytes " + std::to_string(place.begin) + " to " + std::to_string(place.end - 1) + " only";
}

std::string describe(const EvidenceChain& chain) {
  const NicDescriptor& descriptor = *chain.descriptor;
  std::string text = chain.direction == Direction::receive ? "receive" : "transmit";
  text += " descriptor " + std::to_string(descriptor.index) + " at " +
          hexadecimal(descriptor.descriptor) + " -> buffer " + hexadecimal(descriptor.buffer);
  if (descriptor.with_chip) return text + ", with the chip";
  if (!descriptor.done) return text + ", used and not refilled yet";
  text += ", done, " + std::to_string(descriptor.length) + " bytes";
  return text + (descriptor.end_of_packet ? ", end of packet" : "");
}

const char* level_name(int level) {
  switch (level) {
    case 5:
      return "PML5";
    case 4:
      return "PML4";
    case 3:
      return "PDPT";
    case 2:
      return "PD";
    default:
      return "PT";
  }
}

std::string describe(const Mapping& mapping) {
  const vm::Translation& page = mapping.translation;
  std::string text = mapping.task.command + " (pid " + std::to_string(mapping.task.pid) + ") at " +
                     hexadecimal(page.virtual_address) + ", " + size_text(page.page_size) +
                     " page, " + (page.writable ? "writable" : "read-only");
  text += ":";
  for (const vm::PageTableEntry& entry : page.entries) {
    text += std::string(" ") + level_name(entry.level) + "=" + hexadecimal(entry.value);
  }
  return text;
}

std::string headline(const Census& census) {
  if (census.places.empty()) {
    return "The payload stands nowhere in " + size_text(census.bytes_searched) + " of guest RAM.";
  }
  return counted(census.copies(), "copy", "copies") + " of the payload, in " +
         counted(census.places.size(), "place", "places") + " of the " +
         size_text(census.bytes_searched) + " of guest RAM that were ever written.";
}

}  // namespace

std::string to_text(const Census& census, const std::vector<EvidenceChain>& chains) {
  std::string out;
  for (const std::string& line : wrap(headline(census), kWidth)) out += line + "\n";
  if (census.truncated) out += "There are more places than are listed.\n";
  for (std::size_t i = 0; i < census.places.size(); ++i) {
    const Place& place = census.places[i];
    out += "\n";
    paragraph(out, std::to_string(i + 1) + ".",
              hexadecimal(place.first_byte()) + "  " + extent(place) +
                  (place.name.empty() ? "" : ": " + place.name));
    if (i >= chains.size()) continue;
    const EvidenceChain& chain = chains[i];
    if (chain.descriptor) paragraph(out, "  <-", describe(chain));
    for (std::size_t m = 0; m < std::min(chain.mappings.size(), kMappingsShown); ++m) {
      paragraph(out, "  ->", describe(chain.mappings[m]));
    }
    if (chain.mappings.size() > kMappingsShown) {
      const std::size_t rest = chain.mappings.size() - kMappingsShown;
      paragraph(out, "  ->", counted(rest, "more mapping", "more mappings"));
    }
  }
  return out;
}

nlohmann::json to_json(const Census& census, const std::vector<EvidenceChain>& chains) {
  nlohmann::json places = nlohmann::json::array();
  for (std::size_t i = 0; i < census.places.size(); ++i) {
    const Place& place = census.places[i];
    nlohmann::json json = {{"address", hexadecimal(place.first_byte())},
                           {"begin", place.begin},
                           {"end", place.end},
                           {"complete", place.complete},
                           {"kind", to_string(place.kind)},
                           {"name", place.name},
                           {"mappings", nlohmann::json::array()}};
    if (i < chains.size()) {
      const EvidenceChain& chain = chains[i];
      if (chain.descriptor) {
        json["descriptor"] = {
            {"ring", chain.direction == Direction::receive ? "receive" : "transmit"},
            {"index", chain.descriptor->index},
            {"address", hexadecimal(chain.descriptor->descriptor)},
            {"buffer", hexadecimal(chain.descriptor->buffer)},
            {"length", chain.descriptor->length},
            {"done", chain.descriptor->done},
            {"with_chip", chain.descriptor->with_chip},
            {"end_of_packet", chain.descriptor->end_of_packet}};
      }
      for (const Mapping& mapping : chain.mappings) {
        nlohmann::json entries = nlohmann::json::array();
        for (const vm::PageTableEntry& entry : mapping.translation.entries) {
          entries.push_back({{"level", entry.level},
                             {"address", hexadecimal(entry.address)},
                             {"value", hexadecimal(entry.value)}});
        }
        json["mappings"].push_back(
            {{"pid", mapping.task.pid},
             {"command", mapping.task.command},
             {"virtual_address", hexadecimal(mapping.translation.virtual_address)},
             {"page_size", mapping.translation.page_size},
             {"writable", mapping.translation.writable},
             {"entries", entries}});
      }
    }
    places.push_back(std::move(json));
  }
  return {{"copies", census.copies()},
          {"bytes_searched", census.bytes_searched},
          {"truncated", census.truncated},
          {"places", places}};
}

}  // namespace zcl::xray
