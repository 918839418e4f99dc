// SPDX-License-Identifier: MIT
// Frames and their strict decoding, the same code on both sides of the virtio-serial port.
//
// A frame is a 32-bit magic number, the 32-bit length of the CBOR of one map, the 32-bit length of
// the attachment (all little-endian), the CBOR, and the attachment: the bytes of the map's field
// `data`, where it has one, as they are. (The JSON library takes byte strings apart a byte at a
// time, which on an emulated processor is a good part of the time that a module takes to arrive.)
//
// Each side treats the other's bytes as hostile: lengths are bounded before anything is allocated
// for them, and nesting is bounded before a recursive decoder sees it.
#pragma once

#include <cstdint>
#include <cstring>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include "harness/guest/protocol.hh"

namespace zcl::guest {

/// The other side sent something that is not the protocol.
class ProtocolError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

inline constexpr std::uint32_t kFrameMagic = 0x464c435a;  // "ZCLF"
inline constexpr std::size_t kFrameHeader = 12;

inline std::uint32_t load_le32(const std::uint8_t* from) {
  return static_cast<std::uint32_t>(from[0]) | static_cast<std::uint32_t>(from[1]) << 8 |
         static_cast<std::uint32_t>(from[2]) << 16 | static_cast<std::uint32_t>(from[3]) << 24;
}

inline void append_le32(std::vector<std::uint8_t>& to, std::uint32_t value) {
  for (int shift = 0; shift < 32; shift += 8) {
    to.push_back(static_cast<std::uint8_t>(value >> shift));
  }
}

/// True when `bytes` is exactly one well-formed CBOR item made of what we use (integers, byte and
/// text strings, arrays, maps, booleans, doubles; definite lengths only) nested at most kMaxDepth
/// deep. The JSON library's decoder recurses without a bound, so this comes first.
/// Source: RFC 8949, section 3.
inline bool is_bounded_cbor(std::span<const std::uint8_t> bytes) {
  std::size_t at = 0;
  std::vector<std::uint64_t> remaining = {1};  // items still owed at each level
  while (!remaining.empty()) {
    if (remaining.back() == 0) {
      remaining.pop_back();
      continue;
    }
    --remaining.back();
    if (at >= bytes.size()) return false;
    const unsigned major = bytes[at] >> 5;
    const unsigned minor = bytes[at] & 0x1f;
    ++at;
    if (minor > 27) return false;  // reserved, or an indefinite length
    const std::size_t width = minor < 24 ? 0 : std::size_t{1} << (minor - 24);
    if (bytes.size() - at < width) return false;
    std::uint64_t argument = minor;
    if (width != 0) argument = 0;
    for (std::size_t i = 0; i < width; ++i) argument = argument << 8 | bytes[at + i];
    at += width;
    switch (major) {
      case 0:
      case 1:
        break;
      case 2:
      case 3:
        if (bytes.size() - at < argument) return false;
        at += argument;
        break;
      case 4:
      case 5:
        // Each item takes a byte at least, which bounds the count by what is left.
        if (argument > bytes.size() - at || remaining.size() > kMaxDepth) return false;
        remaining.push_back(major == 5 ? argument * 2 : argument);
        break;
      case 6:
        return false;  // tags
      default:
        if (minor < 20 || minor == 23 || minor == 24 || minor == 25) return false;
    }
  }
  return at == bytes.size();
}

/// Throws ProtocolError unless `bytes` is the CBOR of one map within the bounds, without a field
/// `data` of its own where there is an attachment.
inline nlohmann::json decode_message(std::span<const std::uint8_t> bytes,
                                     std::span<const std::uint8_t> attachment = {}) {
  if (bytes.size() > kMaxFrame || !is_bounded_cbor(bytes)) {
    throw ProtocolError("a message that is not bounded CBOR");
  }
  auto message = nlohmann::json::from_cbor(bytes.begin(), bytes.end(), true, false);
  if (message.is_discarded() || !message.is_object()) {
    throw ProtocolError("a message that is not a map");
  }
  if (!attachment.empty()) {
    if (message.contains(key::kData)) throw ProtocolError("a message with data twice");
    message[key::kData] =
        nlohmann::json::binary(std::vector<std::uint8_t>(attachment.begin(), attachment.end()));
  }
  return message;
}

/// The whole frame. Throws ProtocolError when it would be larger than kMaxFrame.
inline std::vector<std::uint8_t> encode_frame(nlohmann::json message) {
  std::vector<std::uint8_t> attachment;
  const auto data = message.find(key::kData);
  if (data != message.end() && data->is_binary() && !data->get_binary().empty()) {
    attachment = std::move(data->get_binary());
    message.erase(data);
  }
  std::vector<std::uint8_t> frame(kFrameHeader);
  nlohmann::json::to_cbor(message, frame);
  const std::size_t length = frame.size() - kFrameHeader;
  if (length + attachment.size() > kMaxFrame) {
    throw ProtocolError("a message larger than a frame");
  }
  frame.insert(frame.end(), attachment.begin(), attachment.end());
  std::vector<std::uint8_t> header;
  append_le32(header, kFrameMagic);
  append_le32(header, static_cast<std::uint32_t>(length));
  append_le32(header, static_cast<std::uint32_t>(attachment.size()));
  std::memcpy(frame.data(), header.data(), kFrameHeader);
  return frame;
}

/// Cuts a byte stream into messages.
class FrameReader {
 public:
  /// `resynchronise`: bytes that cannot be a frame are skipped up to the next one that can (a new
  /// connection may begin in the middle of an old frame); else they are a ProtocolError.
  explicit FrameReader(bool resynchronise) : resynchronise_(resynchronise) {}

  void set_resynchronise(bool on) { resynchronise_ = on; }
  void append(std::span<const std::uint8_t> bytes) {
    buffer_.insert(buffer_.end(), bytes.begin(), bytes.end());
  }
  /// Forgets a frame that has begun: the other side has gone and will not finish it.
  void reset() {
    buffer_.clear();
    begin_ = 0;
  }

  /// The next whole message, or nothing when more bytes are needed. Throws ProtocolError.
  std::optional<nlohmann::json> next() {
    for (;;) {
      const std::size_t have = buffer_.size() - begin_;
      if (have < kFrameHeader) return nothing_yet();
      const std::uint8_t* header = buffer_.data() + begin_;
      const std::uint32_t length = load_le32(header + 4);
      const std::uint32_t attached = load_le32(header + 8);
      if (load_le32(header) != kFrameMagic || length > kMaxFrame || attached > kMaxFrame - length) {
        if (!resynchronise_) throw ProtocolError("a frame without the magic number");
        ++begin_;
        continue;
      }
      if (have - kFrameHeader < length + attached) return nothing_yet();
      const std::span<const std::uint8_t> body(header + kFrameHeader, length + attached);
      try {
        auto message = decode_message(body.first(length), body.subspan(length));
        begin_ += kFrameHeader + length + attached;
        return message;
      } catch (const ProtocolError&) {
        if (!resynchronise_) throw;
        ++begin_;
      }
    }
  }

 private:
  /// Gives used bytes back.
  std::nullopt_t nothing_yet() {
    buffer_.erase(buffer_.begin(), buffer_.begin() + static_cast<std::ptrdiff_t>(begin_));
    begin_ = 0;
    return std::nullopt;
  }

  std::vector<std::uint8_t> buffer_;
  std::size_t begin_ = 0;
  bool resynchronise_;
};

/// Typed access to a field. Each throws ProtocolError when it is missing or of another type.
class Fields {
 public:
  explicit Fields(const nlohmann::json& message) : message_(message) {}

  [[nodiscard]] bool has(const char* name) const { return message_.contains(name); }
  [[nodiscard]] std::uint64_t number(const char* name) const {
    const auto& field = at(name);
    if (!field.is_number_unsigned()) wrong(name);
    return field.get<std::uint64_t>();
  }
  /// At most `limit`.
  [[nodiscard]] std::uint64_t number(const char* name, std::uint64_t limit) const {
    const std::uint64_t value = number(name);
    if (value > limit) wrong(name);
    return value;
  }
  [[nodiscard]] std::int64_t integer(const char* name) const {
    const auto& field = at(name);
    if (!field.is_number_integer()) wrong(name);
    if (field.is_number_unsigned() && field.get<std::uint64_t>() > INT64_MAX) wrong(name);
    return field.get<std::int64_t>();
  }
  [[nodiscard]] bool flag(const char* name) const {
    const auto& field = at(name);
    if (!field.is_boolean()) wrong(name);
    return field.get<bool>();
  }
  [[nodiscard]] const std::string& text(const char* name) const {
    const auto& field = at(name);
    if (!field.is_string()) wrong(name);
    return field.get_ref<const std::string&>();
  }
  [[nodiscard]] const std::vector<std::uint8_t>& bytes(const char* name) const {
    const auto& field = at(name);
    if (!field.is_binary()) wrong(name);
    return field.get_binary();
  }
  [[nodiscard]] std::vector<std::string> texts(const char* name) const {
    const auto& field = at(name);
    if (!field.is_array() || field.size() > kMaxArguments) wrong(name);
    std::vector<std::string> result;
    for (const auto& element : field) {
      if (!element.is_string()) wrong(name);
      result.push_back(element.get<std::string>());
    }
    return result;
  }

 private:
  [[nodiscard]] const nlohmann::json& at(const char* name) const {
    const auto found = message_.find(name);
    if (found == message_.end()) wrong(name);
    return *found;
  }
  [[noreturn]] static void wrong(const char* name) {
    throw ProtocolError(std::string("a message with a missing or wrong field: ") + name);
  }

  const nlohmann::json& message_;
};

inline nlohmann::json binary(std::vector<std::uint8_t> bytes) {
  return nlohmann::json::binary(std::move(bytes));
}

}  // namespace zcl::guest
