// SPDX-License-Identifier: MIT
#include "harness/grade/handout.hh"

#include <algorithm>
#include <functional>
#include <regex>
#include <set>
#include <sstream>

#include "harness/base/error.hh"
#include "harness/base/file_descriptor.hh"
#include "harness/base/paths.hh"

namespace zcl::grade {

namespace fs = std::filesystem;

namespace {

/// Folders of a lab that a student never sees.
const std::set<std::string> kWithheld = {"host", "mutants"};

std::vector<std::string> split_lines(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

std::string trimmed(const std::string& text) {
  const auto begin = text.find_first_not_of(" \t");
  if (begin == std::string::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t") - begin + 1);
}

/// The line-by-line reader of a marked source. Strict: whatever looks like a marker and is not
/// exactly one, in a place where it may stand, is an error.
class MarkerReader {
 public:
  explicit MarkerReader(std::string file) : file_(std::move(file)) {}

  /// A line outside of every block goes to `outside`; a finished block to `finished`.
  void read(const std::string& text, const std::function<void(const std::string&)>& outside,
            const std::function<void(const Block&)>& finished) {
    for (const auto& line : split_lines(text)) {
      ++line_;
      switch (state_) {
        case State::outside:
          if (begins_block(line)) break;
          outside(line);
          break;
        case State::stub:
          read_stub(line);
          break;
        case State::solution:
          if (ends_block(line)) {
            finished(block_);
            state_ = State::outside;
          } else {
            block_.solution.push_back(line);
          }
          break;
      }
    }
    if (state_ != State::outside) {
      line_ = block_.first_line;
      fail("ZCL-BEGIN " + block_.step + " has no ZCL-END " + block_.step);
    }
  }

 private:
  enum class State { outside, stub, solution };

  [[noreturn]] void fail(const std::string& what) const {
    throw UsageError(file_ + ":" + std::to_string(line_) + ": " + what);
  }

  static bool mentions_marker(const std::string& line) {
    // Not the beginning of a name such as ZCL_END_OF_PACKET.
    static const std::regex pattern("zcl[-_ ]*(begin|end)\\b", std::regex::icase);
    return std::regex_search(line, pattern);
  }

  bool begins_block(const std::string& line) {
    static const std::regex pattern(
        R"(^([ \t]*)/\* ZCL-BEGIN ([a-z][a-z0-9_]*): (\S(?:.*?\S)??)( \*/)?$)");
    std::smatch match;
    if (!std::regex_match(line, match, pattern)) {
      if (mentions_marker(line)) {
        fail(
            "expected \"/* ZCL-BEGIN step: title\" alone on its line, outside of a block; found "
            "\"" +
            trimmed(line) + "\"");
      }
      return false;
    }
    block_ = {};
    block_.indentation = match[1];
    block_.step = match[2];
    block_.title = match[3];
    block_.first_line = line_;
    state_ = match[4].matched ? State::solution : State::stub;
    return true;
  }

  void read_stub(const std::string& line) {
    if (mentions_marker(line)) fail("a marker inside the stub of block " + block_.step);
    std::string text = trimmed(line);
    if (text == "*/") {
      state_ = State::solution;
      return;
    }
    if (text.empty() || text[0] != '*') {
      fail("a stub line of block " + block_.step +
           " begins with \" * \" and its end is \" */\" alone");
    }
    if (text.find("*/") != std::string::npos) {
      fail("the stub's comment of block " + block_.step + " ends with \" */\" alone on its line");
    }
    text.erase(0, std::min<std::size_t>(text.size(), text.starts_with("* ") ? 2 : 1));
    if (text.starts_with(">")) {
      block_.stub_code.push_back(text.substr(std::min<std::size_t>(text.size(), 2)));
    } else {
      block_.told.push_back(text);
    }
  }

  bool ends_block(const std::string& line) const {
    static const std::regex pattern(R"(^[ \t]*/\* ZCL-END ([a-z][a-z0-9_]*) \*/$)");
    std::smatch match;
    if (!std::regex_match(line, match, pattern)) {
      if (mentions_marker(line)) {
        fail("expected \"/* ZCL-END " + block_.step + " */\" alone on its line; found \"" +
             trimmed(line) + "\"");
      }
      return false;
    }
    if (match[1] != block_.step) {
      fail("ZCL-END " + match[1].str() + " inside the block of step " + block_.step);
    }
    return true;
  }

  std::string file_;
  std::size_t line_ = 0;
  State state_ = State::outside;
  Block block_;
};

void append_line(std::string& text, const std::string& line) {
  text += line + "\n";
}

void append_stub(std::string& text, const Block& block) {
  const auto& indent = block.indentation;
  append_line(text, indent + "/* TODO " + block.step + ": " + block.title);
  for (const auto& line : block.told)
    append_line(text, indent + (line.empty() ? " *" : " * " + line));
  append_line(text, indent + " */");
  for (const auto& line : block.stub_code) append_line(text, line.empty() ? "" : indent + line);
}

/// All regular files below `folder`, relative, without build products.
std::vector<fs::path> source_files(const fs::path& folder) {
  std::vector<fs::path> files;
  for (auto entry = fs::recursive_directory_iterator(folder); entry != fs::end(entry); ++entry) {
    const auto name = entry->path().filename().string();
    if (entry->is_directory() && (name.starts_with(".") || name == "build")) {
      entry.disable_recursion_pending();
    }
    if (!entry->is_regular_file()) continue;
    static const std::set<std::string> kProducts = {".o",     ".ko",      ".mod", ".cmd",
                                                    ".order", ".symvers", ".d"};
    if (name.starts_with(".") || kProducts.contains(entry->path().extension()) ||
        name.ends_with(".mod.c") || name.ends_with(".ur-safe")) {
      continue;
    }
    // A built program has no extension and is executable; scripts are text and begin with "#!".
    const bool executable =
        (entry->status().permissions() & fs::perms::owner_exec) != fs::perms::none;
    if (executable && entry->path().extension().empty() &&
        !base::read_text_file(entry->path()).starts_with("#!")) {
      continue;
    }
    files.push_back(fs::relative(entry->path(), folder));
  }
  std::sort(files.begin(), files.end());
  return files;
}

void write_new_file(const fs::path& path, const std::string& text) {
  fs::create_directories(path.parent_path());
  base::write_file_atomically(path, std::string_view(text));
}

void write_lab_files(const lab::Lab& lab, const std::vector<std::string>& stubs,
                     const fs::path& to) {
  for (const auto& file : source_files(lab.folder)) {
    if (kWithheld.contains(file.begin()->string())) continue;
    const std::string text = base::read_text_file(lab.folder / file);
    const bool is_students = std::ranges::count(lab.student_files, file.string()) > 0;
    // Prose and declarations may speak of the markers; only what a student writes carries them.
    write_new_file(to / file, is_students ? hand_out_text(file, text, stubs) : text);
  }
}

void write_common_files(const lab::Lab& lab, const fs::path& to) {
  const fs::path common = lab.folder.parent_path() / "common";
  for (const auto& file : source_files(common)) {
    if (kWithheld.contains(file.begin()->string())) continue;
    write_new_file(to / "common" / file, base::read_text_file(common / file));
  }
  write_new_file(to / "common" / "zcl.mk",
                 "# SPDX-License-Identifier: MIT\n# Where the grader is.\nLAB := " + lab.id +
                     "\nZCL ?= " + (base::build_root() / "zcl").string() + "\n");
}

}  // namespace

std::vector<Block> parse_blocks(const std::string& file, const std::string& text) {
  std::vector<Block> blocks;
  MarkerReader(file).read(
      text, [](const std::string&) {}, [&](const Block& block) { blocks.push_back(block); });
  return blocks;
}

std::string hand_out_text(const std::string& file, const std::string& text,
                          const std::vector<std::string>& steps_to_write) {
  std::string result;
  MarkerReader(file).read(
      text, [&](const std::string& line) { append_line(result, line); },
      [&](const Block& block) {
        if (std::ranges::count(steps_to_write, block.step) > 0) {
          append_stub(result, block);
        } else {
          for (const auto& line : block.solution) append_line(result, line);
        }
      });
  return result;
}

std::vector<std::string> steps_from(const lab::Lab& lab, const std::string& step) {
  std::vector<std::string> result;
  std::string known;
  for (std::size_t i = 0; i < lab.steps.size(); ++i) {
    const auto& id = lab.steps[i].id;
    known += (known.empty() ? "" : ", ") + std::to_string(i + 1) + " (" + id + ")";
    if (!result.empty() || step.empty() || step == id || step == std::to_string(i + 1)) {
      result.push_back(id);
    }
  }
  if (result.empty()) {
    throw UsageError("Lab " + lab.id + " has no step \"" + step + "\"; it has " + known + ".");
  }
  return result;
}

void write_handout(const lab::Lab& lab, const std::string& step, const fs::path& to) {
  const auto stubs = steps_from(lab, step);
  std::error_code error;
  const bool existed = fs::exists(to, error);
  if (existed && (!fs::is_directory(to, error) || !fs::is_empty(to, error))) {
    throw UsageError(to.string() + " exists and is not an empty directory. Name a new one.");
  }
  const auto undo = [&] {
    for (const auto& entry : fs::directory_iterator(to, error)) fs::remove_all(entry, error);
    if (!existed) fs::remove(to, error);
  };
  try {
    fs::create_directories(to);
    write_lab_files(lab, stubs, to);
    write_common_files(lab, to);
  } catch (const Error&) {
    undo();
    throw;
  } catch (const std::exception& failure) {
    undo();
    throw UsageError("Cannot write the hand-out to " + to.string() + ": " + failure.what() + ".");
  }
}

}  // namespace zcl::grade
