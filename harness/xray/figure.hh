// SPDX-License-Identifier: MIT
// A picture of a census: where in physical memory the payload stands, who put it there and who
// sees it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "harness/xray/chain.hh"

namespace zcl::xray {

struct FigureText {
  std::string title;     ///< "recvfrom on e1000: 2 copies"
  std::string subtitle;  ///< may be empty
};

/// An SVG document to be put into a page or a file. Physical memory is the bar on top; each place
/// is a numbered row: the NIC's descriptor, the page with the payload's bytes in it, and the
/// processes that map it. Needs no colour to be understood: every kind of memory is also named, and
/// fills differ in lightness. `chains` as trace_census() gives them, or empty.
std::string draw_census(const FigureText& text, const vm::GuestMemory& memory, const Census& census,
                        const std::vector<EvidenceChain>& chains);

/// The same where the memory is gone: `ram_below_4g` and `ram` in bytes.
std::string draw_census(const FigureText& text, std::uint64_t ram_below_4g, std::uint64_t ram,
                        const Census& census, const std::vector<EvidenceChain>& chains);

}  // namespace zcl::xray
