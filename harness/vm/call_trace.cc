// SPDX-License-Identifier: MIT
#include "harness/vm/call_trace.hh"

#include <algorithm>
#include <charconv>
#include <optional>

#include "harness/vm/console_monitor.hh"
#include "harness/vm/source_lines.hh"

namespace zcl::vm {

namespace {

constexpr std::size_t kMaxFrames = 64;

bool take_hexadecimal(std::string_view& text, std::uint64_t& value) {
  if (!text.starts_with("0x")) return false;
  const char* begin = text.data() + 2;
  const auto parsed = std::from_chars(begin, text.data() + text.size(), value, 16);
  if (parsed.ec != std::errc() || parsed.ptr == begin) return false;
  text.remove_prefix(static_cast<std::size_t>(parsed.ptr - text.data()));
  return true;
}

/// "func+0x10/0x40 [module]", after an optional "? ".
std::optional<TraceFrame> parse_frame(std::string_view text) {
  TraceFrame frame;
  while (text.starts_with(' ')) text.remove_prefix(1);
  if (text.starts_with("? ")) {
    frame.reliable = false;
    text.remove_prefix(2);
  }
  const std::size_t plus = text.find('+');
  if (plus == std::string_view::npos || plus == 0 || plus > 256) return std::nullopt;
  frame.function = text.substr(0, plus);
  if (frame.function.find(' ') != std::string::npos) return std::nullopt;
  text.remove_prefix(plus + 1);
  if (!take_hexadecimal(text, frame.offset) || !text.starts_with('/')) return std::nullopt;
  text.remove_prefix(1);
  if (!take_hexadecimal(text, frame.size)) return std::nullopt;
  const std::size_t open = text.find('[');
  if (open != std::string_view::npos) {
    const auto close = text.find_first_of("] ", open);
    frame.module = text.substr(
        open + 1, close == std::string_view::npos ? std::string_view::npos : close - open - 1);
  }
  return frame;
}

/// "RIP: 0010:func+0x5/0x10 [module]": the segment of kernel code.
std::optional<TraceFrame> parse_instruction_pointer(std::string_view text) {
  constexpr std::string_view kKernelCode = "RIP: 0010:";
  if (!text.starts_with(kKernelCode)) return std::nullopt;
  auto frame = parse_frame(text.substr(kKernelCode.size()));
  if (frame) frame->caller = false;
  return frame;
}

class TraceParser {
 public:
  /// False when the trace is over.
  bool line(std::string_view text) {
    if (text.starts_with("---[ end ")) return false;
    if (const auto pointer = parse_instruction_pointer(text)) {
      // After the trace it is printed once more. Inside of an NMI's it is where the NMI struck;
      // further down, where an interrupt came before that.
      if (in_trace_ && !in_stack_) return false;
      if (in_trace_ && !in_nmi_) {
        if (frames_.size() < kMaxFrames) frames_.push_back(*pointer);
        return true;
      }
      frames_ = {*pointer};
      struck_ = true;
      return true;
    }
    if (text.starts_with("Call Trace:")) {
      in_trace_ = true;
      return true;
    }
    if (!in_trace_) return true;
    while (text.starts_with(' ')) text.remove_prefix(1);
    if (text.starts_with('<')) in_stack_ = !text.starts_with("</");
    if (text.starts_with("<NMI>")) in_nmi_ = true;
    if (text.starts_with("</NMI>")) in_nmi_ = false;
    if (text.starts_with("</TASK>")) return in_nmi_;
    if (text.starts_with('<')) return true;
    if (text.starts_with("? 0x") || text.starts_with("0x")) return true;  // of no symbol
    if (const auto frame = parse_frame(text)) {
      if (frames_.size() < kMaxFrames) frames_.push_back(*frame);
      return true;
    }
    // Registers stand between the frames of a stack; else what is no frame ends the trace.
    return in_stack_ || callers() == 0;
  }

  /// What the unwinder vouches for; all that stood on the stack where it vouches for nothing.
  std::vector<TraceFrame> take() {
    const auto reliable = [](const TraceFrame& frame) { return frame.reliable; };
    if (std::any_of(frames_.begin(), frames_.end(), reliable)) {
      std::erase_if(frames_, [&](const TraceFrame& frame) { return !reliable(frame); });
    }
    return std::move(frames_);
  }

 private:
  [[nodiscard]] std::size_t callers() const { return frames_.size() - (struck_ ? 1 : 0); }

  std::vector<TraceFrame> frames_;
  bool in_trace_ = false;
  bool in_stack_ = false;  ///< between <TASK> and </TASK>, or <IRQ>, or <NMI>
  bool in_nmi_ = false;
  bool struck_ = false;
};

}  // namespace

std::vector<TraceFrame> parse_call_trace(std::string_view report) {
  TraceParser parser;
  while (!report.empty()) {
    const std::size_t end = std::min(report.find('\n'), report.size());
    if (!parser.line(without_timestamp(report.substr(0, end)))) break;
    report.remove_prefix(std::min(end + 1, report.size()));
  }
  return parser.take();
}

void resolve_locations(std::vector<TraceFrame>& trace, const ModuleObjects& objects) {
  std::map<std::string, SourceLines> opened;
  for (auto& frame : trace) {
    const auto object = objects.find(frame.module);
    if (object == objects.end()) continue;
    auto lines = opened.find(frame.module);
    if (lines == opened.end()) lines = opened.emplace(frame.module, object->second).first;
    // A return address belongs to the instruction after the call.
    const std::uint64_t offset = frame.caller && frame.offset > 0 ? frame.offset - 1 : frame.offset;
    frame.location = lines->second.locate(frame.function, offset, frame.size);
  }
}

std::string to_string(const std::vector<TraceFrame>& trace) {
  std::string text;
  for (const auto& frame : trace) {
    char offset[32];
    const auto written = std::to_chars(offset, offset + sizeof offset, frame.offset, 16);
    text +=
        (frame.reliable ? "" : "? ") + frame.function + "+0x" + std::string(offset, written.ptr);
    if (!frame.module.empty()) text += " [" + frame.module + "]";
    if (!frame.location.empty()) text += " (" + frame.location + ")";
    text += '\n';
  }
  return text;
}

}  // namespace zcl::vm
