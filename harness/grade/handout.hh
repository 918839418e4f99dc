// SPDX-License-Identifier: MIT
// From one source to solution and hand-out: the ZCL-BEGIN/ZCL-END blocks.
//
// A block in a source file:
//
//   /* ZCL-BEGIN step: title
//    * What the student is told, in place of the solution.
//    * > stub_code();
//    */
//   solution lines
//   /* ZCL-END step */
//
// In the hand-out the block becomes a comment that begins with "TODO step: title", followed by the
// stub's code: the lines that begin with "> ". A file may hold several blocks of one step.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <vector>

#include "harness/lab/declaration.hh"

namespace zcl::grade {

/// One marked block.
struct Block {
  std::string step;
  std::string title;
  std::string indentation;             ///< white space before the BEGIN marker
  std::vector<std::string> told;       ///< lines of the stub's comment, without decoration
  std::vector<std::string> stub_code;  ///< lines of the stub's code, without indentation
  std::vector<std::string> solution;   ///< lines as they stand
  std::size_t first_line = 0;          ///< of the BEGIN marker, from 1
};

/// The blocks of `text` in order. Throws UsageError "file:line: …" for any marker that is
/// unmatched, nested, misspelt or ends another step's block.
std::vector<Block> parse_blocks(const std::string& file, const std::string& text);

/// `text` with every block of a step in `steps_to_write` replaced by its stub, the other blocks
/// solved, and no marker left. Throws like parse_blocks.
std::string hand_out_text(const std::string& file, const std::string& text,
                          const std::vector<std::string>& steps_to_write);

/// The ids of the steps that are stubs in a hand-out from `step` (an id, or a number from 1) on:
/// this one and all later ones. Empty `step`: all. Throws UsageError that lists the lab's steps.
std::vector<std::string> steps_from(const lab::Lab& lab, const std::string& step);

/// Writes the hand-out of a lab to `to` (which must not exist, or be empty): the lab's folder
/// without host/ and mutants/, `common/` inside it, student files with stubs. Throws UsageError;
/// then nothing is left at `to` that was not there before.
void write_handout(const lab::Lab& lab, const std::string& step, const std::filesystem::path& to);

}  // namespace zcl::grade
