// SPDX-License-Identifier: MIT
#include "harness/xray/figure.hh"

#include <algorithm>
#include <cstdio>
#include <string_view>

#include "harness/xray/text.hh"

namespace zcl::xray {
namespace {

// All lengths in pixels of the drawing's own coordinates.
constexpr double kWidth = 760;
constexpr double kMargin = 16;
constexpr double kBarTop = 82;
constexpr double kAxisText = kBarTop - 5;
constexpr double kBarHeight = 26;
constexpr double kRowsTop = 174;
constexpr double kRowHeight = 84;
constexpr double kDescriptorWidth = 130;
constexpr double kPageLeft = 186;
constexpr double kPageWidth = 320;
constexpr double kProcessLeft = 546;
constexpr double kProcessWidth = kWidth - kMargin - kProcessLeft;
constexpr double kBoxHeight = 34;
constexpr std::size_t kRows = 10;  ///< more are named in the last line
constexpr std::uint64_t kPage = 4096;

struct Style {
  const char* fill;
  const char* label;
};

/// Colours that people with any colour vision tell apart (after Okabe and Ito), of falling
/// lightness; dark text is legible on all of them.
Style style_of(PlaceKind kind) {
  switch (kind) {
    case PlaceKind::nic_buffer:
      return {"#e69f00", "NIC buffer"};
    case PlaceKind::packet:
      return {"#f0c75e", "packet data"};
    case PlaceKind::slab:
      return {"#cc79a7", "slab"};
    case PlaceKind::page_cache:
      return {"#f0e442", "page cache"};
    case PlaceKind::user:
      return {"#56b4e9", "process"};
    case PlaceKind::shared:
      return {"#009e73", "shared"};
    case PlaceKind::kernel:
      return {"#b0a8d0", "kernel"};
    case PlaceKind::reserved:
      return {"#d9b38c", "reserved"};
    case PlaceKind::free:
      return {"#d0d0d0", "freed"};
    case PlaceKind::unknown:
      break;
  }
  return {"#eeeeee", "unknown"};
}

std::string escape(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

std::string number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f", value);
  return text;
}

/// Writes SVG elements.
class Canvas {
 public:
  void text(double x, double y, std::string_view content, int size = 12,
            std::string_view extra = {}) {
    out_ += "<text x=\"" + number(x) + "\" y=\"" + number(y) + "\" font-size=\"" +
            std::to_string(size) + "\"" + std::string(extra) + ">" + escape(content) + "</text>\n";
  }
  void box(double x, double y, double width, double height, std::string_view fill,
           std::string_view stroke = "#333333") {
    out_ += "<rect x=\"" + number(x) + "\" y=\"" + number(y) + "\" width=\"" + number(width) +
            "\" height=\"" + number(height) + "\" fill=\"" + std::string(fill) + "\" stroke=\"" +
            std::string(stroke) + "\"/>\n";
  }
  void line(double x1, double y1, double x2, double y2, std::string_view extra = {}) {
    out_ += "<line x1=\"" + number(x1) + "\" y1=\"" + number(y1) + "\" x2=\"" + number(x2) +
            "\" y2=\"" + number(y2) + "\" stroke=\"#333333\"" + std::string(extra) + "/>\n";
  }
  /// A horizontal arrow that ends at (x2, y). The head is a path of its own, not a marker: markers
  /// need identifiers, and several figures may stand in one page.
  void arrow(double x1, double x2, double y) {
    const double back = x2 > x1 ? -7 : 7;
    line(x1, y, x2 + back, y, " stroke-width=\"1.5\"");
    out_ += "<path d=\"M" + number(x2) + " " + number(y) + "l" + number(back) +
            " -4v8z\" "
            "fill=\"#333333\"/>\n";
  }
  void circle(double x, double y, double radius, std::string_view fill) {
    out_ += "<circle cx=\"" + number(x) + "\" cy=\"" + number(y) + "\" r=\"" + number(radius) +
            "\" fill=\"" + std::string(fill) + "\" stroke=\"#333333\"/>\n";
  }
  std::string take() { return std::move(out_); }

 private:
  std::string out_;
};

constexpr std::string_view kMiddle = " text-anchor=\"middle\"";
constexpr std::string_view kBold = " font-weight=\"bold\"";

/// The bar of physical memory.
class MemoryBar {
 public:
  MemoryBar(std::uint64_t low, std::uint64_t ram) : low_(low), ram_(ram) {}

  void draw(Canvas& canvas) const {
    constexpr double kWhole = kWidth - 2 * kMargin;
    canvas.text(kMargin, kBarTop - 20, "guest physical memory, " + size_text(ram_) + " of RAM", 12);
    canvas.box(kMargin, kBarTop, kWhole * share(low_), kBarHeight, "#f7f7f7");
    canvas.text(kMargin, kAxisText, "0", 10);
    if (low_ == ram_) {
      label_end(canvas, ram_);
      return;
    }
    // The two parts side by side; the hole between them has no RAM and is drawn as a gap.
    const double high = x_of_high();
    canvas.box(high, kBarTop, kWidth - kMargin - high, kBarHeight, "#f7f7f7");
    canvas.text(kMargin + kWhole * share(low_), kAxisText, size_text(low_) + ", hole", 10,
                " text-anchor=\"end\"");
    canvas.text(high, kAxisText, "4 GiB", 10);
    label_end(canvas, (4ULL << 30) + (ram_ - low_));
  }

  [[nodiscard]] double x_of(vm::PhysicalAddress address) const {
    constexpr double kWhole = kWidth - 2 * kMargin;
    if (address < low_ || low_ == ram_) {
      return kMargin + kWhole * share(std::min(address, low_));
    }
    const std::uint64_t above = address < (4ULL << 30) ? 0 : address - (4ULL << 30);
    return std::min(x_of_high() + kWhole * share(above), kWidth - kMargin);
  }

 private:
  static constexpr double kGap = 10;

  static void label_end(Canvas& canvas, std::uint64_t end) {
    canvas.text(kWidth - kMargin, kAxisText, size_text(end), 10, " text-anchor=\"end\"");
  }
  [[nodiscard]] double x_of_high() const {
    return kMargin + (kWidth - 2 * kMargin) * share(low_) + kGap;
  }
  /// Fraction of the bar that `bytes` take.
  [[nodiscard]] double share(std::uint64_t bytes) const {
    const double whole = kWidth - 2 * kMargin;
    const double gap = low_ == ram_ ? 0 : kGap / whole;
    return static_cast<double>(bytes) / static_cast<double>(std::max<std::uint64_t>(ram_, 1)) *
           (1 - gap);
  }

  std::uint64_t low_;
  std::uint64_t ram_;
};

/// Numbered pins from the bar; neighbours that would cover each other move apart.
void draw_pins(Canvas& canvas, const MemoryBar& bar, const std::vector<Place>& places) {
  constexpr double kSpacing = 18;
  std::vector<double> xs;
  for (const Place& place : places) {
    const double x = bar.x_of(place.first_byte());
    xs.push_back(xs.empty() ? std::max(x, kMargin + 8) : std::max(x, xs.back() + kSpacing));
  }
  double right = kWidth - kMargin - 8;
  for (auto it = xs.rbegin(); it != xs.rend(); ++it) {
    *it = std::min(*it, right);
    right = *it - kSpacing;
  }
  for (std::size_t i = 0; i < places.size(); ++i) {
    const double at = bar.x_of(places[i].first_byte());
    const double y = kBarTop + kBarHeight + 30;
    canvas.line(at, kBarTop, at, kBarTop + kBarHeight, " stroke-width=\"2\"");
    canvas.line(at, kBarTop + kBarHeight, xs[i], y - 8);
    canvas.circle(xs[i], y, 8, style_of(places[i].kind).fill);
    canvas.text(xs[i], y + 4, std::to_string(i + 1), 11, kMiddle);
  }
}

std::string short_text(const std::string& text, std::size_t length) {
  return text.size() <= length ? text : text.substr(0, length - 3) + "...";
}

void draw_descriptor(Canvas& canvas, const EvidenceChain& chain, double y) {
  const NicDescriptor& descriptor = *chain.descriptor;
  const bool receive = chain.direction == Direction::receive;
  canvas.box(kMargin, y, kDescriptorWidth, kBoxHeight, "#ffffff");
  canvas.text(kMargin + 6, y + 14,
              (receive ? "rx descriptor " : "tx descriptor ") + std::to_string(descriptor.index),
              11);
  canvas.text(kMargin + 6, y + 28, "at " + hexadecimal(descriptor.descriptor), 10);
  // A received frame went from the NIC to the page; a transmitted one is read by the NIC.
  const double middle = y + kBoxHeight / 2;
  if (receive) {
    canvas.arrow(kMargin + kDescriptorWidth, kPageLeft, middle);
  } else {
    canvas.arrow(kPageLeft, kMargin + kDescriptorWidth, middle);
  }
}

void draw_processes(Canvas& canvas, const std::vector<Mapping>& mappings, double y) {
  if (mappings.empty()) return;
  const Mapping& first = mappings.front();
  canvas.box(kProcessLeft, y, kProcessWidth, kBoxHeight, "#ffffff");
  std::string who = first.task.command + " (" + std::to_string(first.task.pid) + ")";
  if (mappings.size() > 1) who += " +" + std::to_string(mappings.size() - 1);
  canvas.text(kProcessLeft + 6, y + 14, short_text(who, 30), 11);
  canvas.text(kProcessLeft + 6, y + 28, "maps " + hexadecimal(first.translation.virtual_address),
              10);
  canvas.arrow(kProcessLeft, kPageLeft + kPageWidth, y + kBoxHeight / 2);
}

/// The page (or pages) of a place, with the payload's bytes where they stand in it.
void draw_page(Canvas& canvas, const Place& place, double y) {
  const Style style = style_of(place.kind);
  const std::uint64_t start = place.first_byte() % kPage;
  const std::uint64_t pages = (start + std::max<std::size_t>(place.length(), 1) - 1) / kPage + 1;
  const double scale = kPageWidth / static_cast<double>(pages * kPage);
  canvas.box(kPageLeft, y, kPageWidth, kBoxHeight, "#ffffff");
  const double left = kPageLeft + static_cast<double>(start) * scale;
  const double width = std::max(static_cast<double>(place.length()) * scale, 3.0);
  canvas.box(left, y, std::min(width, kPageLeft + kPageWidth - left), kBoxHeight, style.fill);
  if (pages <= 16) {
    for (std::uint64_t i = 1; i < pages; ++i) {
      const double x = kPageLeft + static_cast<double>(i * kPage) * scale;
      canvas.line(x, y, x, y + kBoxHeight, " stroke-dasharray=\"3 3\"");
    }
  }
  const std::string label = std::string(style.label) + (place.complete ? "" : ", part");
  // The label stands in the larger free side of the page, so that it never covers an edge.
  const double middle = y + kBoxHeight / 2 + 4;
  if (left - kPageLeft >= kPageLeft + kPageWidth - left - width) {
    canvas.text(kPageLeft + 6, middle, label, 11, kBold);
  } else if (left + width + 6 < kPageLeft + kPageWidth - 60) {
    canvas.text(left + width + 6, middle, label, 11, kBold);
  } else {
    canvas.text(left + 6, middle, label, 11, kBold);
  }
}

void draw_row(Canvas& canvas, std::size_t index, const Place& place, const EvidenceChain* chain,
              double top) {
  const double box = top + 16;
  canvas.circle(kPageLeft - 14, top + 6, 8, style_of(place.kind).fill);
  canvas.text(kPageLeft - 14, top + 10, std::to_string(index + 1), 11, kMiddle);
  canvas.text(kPageLeft, top + 10, hexadecimal(place.first_byte()), 11);
  const std::string extent = place.complete ? counted(place.length(), "byte", "bytes") + ", whole"
                                            : "bytes " + std::to_string(place.begin) + " to " +
                                                  std::to_string(place.end - 1) + " only";
  canvas.text(kPageLeft + kPageWidth, top + 10, extent, 11, " text-anchor=\"end\"");
  draw_page(canvas, place, box);
  if (chain != nullptr && chain->descriptor) draw_descriptor(canvas, *chain, box);
  if (chain != nullptr) draw_processes(canvas, chain->mappings, box);
  const auto lines = wrap(place.name, 84);
  for (std::size_t i = 0; i < std::min<std::size_t>(lines.size(), 2); ++i) {
    canvas.text(kPageLeft, box + kBoxHeight + 12 + 12 * static_cast<double>(i),
                short_text(lines[i], 96), 10);
  }
}

std::string describe(const Census& census) {
  std::string text = counted(census.copies(), "copy", "copies") + " of the payload in " +
                     counted(census.places.size(), "place", "places") + ".";
  for (std::size_t i = 0; i < std::min(census.places.size(), kRows); ++i) {
    const Place& place = census.places[i];
    text += " " + std::to_string(i + 1) + ": " + hexadecimal(place.first_byte()) + ", " +
            (place.name.empty() ? to_string(place.kind) : place.name) + ".";
  }
  return text;
}

}  // namespace

std::string draw_census(const FigureText& text, const vm::GuestMemory& memory, const Census& census,
                        const std::vector<EvidenceChain>& chains) {
  constexpr std::uint64_t kFourGiB = 4ULL << 30;
  const std::uint64_t high = memory.end() > kFourGiB ? memory.end() - kFourGiB : 0;
  return draw_census(text, memory.size() - high, memory.size(), census, chains);
}

std::string draw_census(const FigureText& text, std::uint64_t ram_below_4g, std::uint64_t ram,
                        const Census& census, const std::vector<EvidenceChain>& chains) {
  const std::size_t rows = std::min(census.places.size(), kRows);
  const bool more = census.places.size() > rows;
  const double height =
      kRowsTop + kRowHeight * static_cast<double>(std::max<std::size_t>(rows, 1)) + (more ? 20 : 0);
  Canvas canvas;
  canvas.box(0, 0, kWidth, height, "#ffffff", "none");
  canvas.text(kMargin, 24, text.title, 16, kBold);
  canvas.text(kMargin, 44, text.subtitle, 12);
  const MemoryBar bar(ram_below_4g, ram);
  bar.draw(canvas);
  const std::vector<Place> shown(census.places.begin(),
                                 census.places.begin() + static_cast<std::ptrdiff_t>(rows));
  draw_pins(canvas, bar, shown);
  canvas.text(kMargin, kRowsTop - 10, "NIC", 11, kBold);
  canvas.text(kPageLeft, kRowsTop - 10, "page of memory", 11, kBold);
  canvas.text(kProcessLeft, kRowsTop - 10, "process", 11, kBold);
  for (std::size_t i = 0; i < rows; ++i) {
    draw_row(canvas, i, shown[i], i < chains.size() ? &chains[i] : nullptr,
             kRowsTop + kRowHeight * static_cast<double>(i));
  }
  if (rows == 0) canvas.text(kPageLeft, kRowsTop + 16, "the payload stands nowhere", 12);
  if (more) {
    canvas.text(kPageLeft, height - 10,
                "and " + std::to_string(census.places.size() - rows) + " more places", 12);
  }
  return "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 " + number(kWidth) + " " +
         number(height) + "\" role=\"img\" font-family=\"sans-serif\" fill=\"#111111\">\n<title>" +
         escape(text.title) + "</title>\n<desc>" + escape(describe(census)) + "</desc>\n" +
         canvas.take() + "</svg>\n";
}

}  // namespace zcl::xray
