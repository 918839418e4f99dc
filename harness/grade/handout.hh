// SPDX-License-Identifier: MIT
// From one source to solution and hand-out: the ZCL-BEGIN/ZCL-END blocks.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "harness/lab/declaration.hh"

namespace zcl::grade {

/// A marked block:
///   /* ZCL-BEGIN step: title
///    * stub text, given to the student in place of the solution
///    */
///   solution lines
///   /* ZCL-END step */
struct Block {
  std::string step;
  std::string title;
  std::vector<std::string> stub;
  std::vector<std::string> solution;
  std::size_t first_line = 0;  ///< of the BEGIN marker, from 1
};

/// Throws UsageError "file:line: …" for any unmatched, nested, unknown or misspelt marker.
std::vector<Block> parse_blocks(const std::string& file, const std::string& text);

/// `text` with every block of `steps_to_write` replaced by its stub, other blocks solved, and no
/// marker of a solved block left.
std::string hand_out_text(const std::string& file, const std::string& text,
                          const std::vector<std::string>& steps_to_write);

/// Writes the hand-out of a lab to `to` (which must not exist, or be empty): sheet, Makefile,
/// common files, sources with stubs. `step`: hand out this step with the earlier ones solved and
/// the later ones still stubs; empty: all steps are stubs. Throws UsageError.
void write_handout(const lab::Lab& lab, const std::string& step, const std::filesystem::path& to);

}  // namespace zcl::grade
