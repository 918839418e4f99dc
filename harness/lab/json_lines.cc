// SPDX-License-Identifier: MIT
#include "harness/lab/json_lines.hh"

#include <iterator>
#include <vector>

#include "harness/base/error.hh"

namespace zcl::lab {

namespace {

using nlohmann::json;

/// Where the parser's reading has got to. The parser copies its iterators, so they share this.
struct Position {
  std::size_t line = 1;
  bool after_newline = false;  ///< the last character read was a newline

  /// The line of the token that ended just before, or at, the last character read: the parser reads
  /// one character past a number.
  [[nodiscard]] std::size_t token_line() const { return after_newline ? line - 1 : line; }
};

/// An input iterator over text that counts lines as it is read.
class CountingIterator {
 public:
  using iterator_category = std::input_iterator_tag;
  using value_type = char;
  using difference_type = std::ptrdiff_t;
  using pointer = const char*;
  using reference = const char&;

  CountingIterator(const char* at, Position* position) : at_(at), position_(position) {}
  reference operator*() const { return *at_; }
  CountingIterator& operator++() {
    position_->after_newline = *at_ == '\n';
    if (position_->after_newline) ++position_->line;
    ++at_;
    return *this;
  }
  CountingIterator operator++(int) {
    CountingIterator before = *this;
    ++*this;
    return before;
  }
  bool operator==(const CountingIterator& other) const { return at_ == other.at_; }
  bool operator!=(const CountingIterator& other) const { return at_ != other.at_; }

 private:
  const char* at_;
  Position* position_;
};

/// Builds the document and the map of lines from the parser's events.
class LineHandler : public nlohmann::json_sax<json> {
 public:
  LineHandler(std::string file, const Position& position, JsonWithLines& result)
      : file_(std::move(file)), position_(position), result_(result) {}

  bool null() override { return value(nullptr); }
  bool boolean(bool v) override { return value(v); }
  bool number_integer(number_integer_t v) override { return value(v); }
  bool number_unsigned(number_unsigned_t v) override { return value(v); }
  bool number_float(number_float_t v, const string_t& /*text*/) override { return value(v); }
  bool string(string_t& v) override { return value(v); }
  bool binary(binary_t& /*v*/) override { return false; }  // JSON text has none

  bool start_object(std::size_t /*elements*/) override { return open(json::object()); }
  bool start_array(std::size_t /*elements*/) override { return open(json::array()); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }

  bool key(string_t& name) override {
    if (open_.back().value->contains(name)) {
      throw UsageError(here() + ": the key \"" + name + "\" is given twice; expected it once.");
    }
    key_ = name;
    return true;
  }

  bool parse_error(std::size_t /*at*/, const std::string& /*token*/,
                   const nlohmann::detail::exception& error) override {
    // "[json.exception…] parse error at line 3, column 5: syntax error …": the tail is for people.
    std::string what = error.what();
    const auto tail = what.find(": ");
    if (tail != std::string::npos) what = what.substr(tail + 2);
    throw UsageError(here() + ": expected JSON (comments allowed): " + what + ".");
  }

 private:
  struct Level {
    json* value;
    json::json_pointer pointer;
  };

  [[nodiscard]] std::string here() const {
    return file_ + ":" + std::to_string(position_.token_line());
  }

  /// Puts `v` where it belongs; returns where it stands.
  Level place(json v) {
    json::json_pointer pointer;
    json* stands = &result_.document;
    if (open_.empty()) {
      *stands = std::move(v);
    } else if (open_.back().value->is_object()) {
      pointer = open_.back().pointer / key_;
      stands = &((*open_.back().value)[key_] = std::move(v));
    } else {
      pointer = open_.back().pointer / open_.back().value->size();
      open_.back().value->push_back(std::move(v));
      stands = &open_.back().value->back();
    }
    result_.lines[pointer.to_string()] = position_.token_line();
    return {stands, pointer};
  }
  bool value(json v) {
    place(std::move(v));
    return true;
  }
  bool open(json empty) {
    open_.push_back(place(std::move(empty)));
    return true;
  }
  bool close() {
    open_.pop_back();
    return true;
  }

  std::string file_;
  const Position& position_;
  JsonWithLines& result_;
  std::vector<Level> open_;  ///< objects and arrays that have begun and not ended
  std::string key_;
};

}  // namespace

std::size_t JsonWithLines::line_of(std::string pointer) const {
  for (;;) {
    const auto found = lines.find(pointer);
    if (found != lines.end()) return found->second;
    if (pointer.empty()) return 1;
    pointer.erase(pointer.rfind('/'));
  }
}

JsonWithLines parse_json_with_lines(const std::string& file, const std::string& text) {
  JsonWithLines result;
  Position position;
  LineHandler handler(file, position, result);
  const CountingIterator begin(text.data(), &position);
  const CountingIterator end(text.data() + text.size(), &position);
  json::sax_parse(begin, end, &handler, json::input_format_t::json, true, true);
  return result;
}

}  // namespace zcl::lab
