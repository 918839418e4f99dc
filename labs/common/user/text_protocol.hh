// SPDX-License-Identifier: MIT
// One command a line in, one answer a line out: "ok VALUES…" or "err ERRNO WHAT". Addresses and
// numbers are C constants (0x… or decimal), data is hexadecimal.
#pragma once

#include <charconv>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <functional>
#include <iostream>
#include <map>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "system_call.hh"

namespace zcl::user {

using Bytes = std::vector<std::uint8_t>;

inline std::uint64_t to_number(const std::string& text) {
  std::size_t used = 0;
  const auto value = std::stoull(text, &used, 0);
  if (used != text.size()) throw std::invalid_argument("not a number: " + text);
  return value;
}

inline Bytes from_hex(const std::string& text) {
  if (text.size() % 2 != 0) throw std::invalid_argument("odd number of hexadecimal digits");
  Bytes bytes(text.size() / 2);
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    const char* digits = text.data() + 2 * i;
    if (std::from_chars(digits, digits + 2, bytes[i], 16).ptr != digits + 2) {
      throw std::invalid_argument("not hexadecimal: " + std::string(digits, 2));
    }
  }
  return bytes;
}

inline std::string to_hex(const std::uint8_t* bytes, std::size_t count) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  text.reserve(2 * count);
  for (std::size_t i = 0; i < count; ++i) {
    text += kDigits[bytes[i] >> 4];
    text += kDigits[bytes[i] & 15];
  }
  return text;
}

/// A copy that a census does not find again elsewhere: byte by byte, since memcpy's vector
/// registers would keep the end of it, and the kernel saves them with the task.
inline void store(void* to, const Bytes& bytes) {
  auto* at = static_cast<volatile std::uint8_t*>(to);
  for (const auto byte : bytes) *at++ = byte;
}

/// So that a census does not find this program's own copy of what it stored elsewhere.
inline void wipe(Bytes& bytes) {
  ::explicit_bzero(bytes.data(), bytes.size());
}

/// Without a prefix or leading zeros.
inline std::string to_hex_number(std::uint64_t value) {
  char text[16];
  return {text, std::to_chars(text, text + sizeof text, value, 16).ptr};
}

/// The words of one command, taken from left to right.
class Arguments {
 public:
  explicit Arguments(const std::string& line) : words_(line) {}
  std::string word() {
    std::string value;
    if (!(words_ >> value)) throw std::invalid_argument("an argument is missing");
    return value;
  }
  std::uint64_t number() { return to_number(word()); }
  int descriptor() { return static_cast<int>(number()); }
  std::uint8_t* address() { return reinterpret_cast<std::uint8_t*>(number()); }
  Bytes bytes() { return from_hex(word()); }

 private:
  std::istringstream words_;
};

/// What follows "ok".
using Answer = std::string;
using Commands = std::map<std::string, std::function<Answer(Arguments&)>>;

/// Answers every line of standard input until its end. A failed system call is an answer with its
/// errno; a mistake in the command itself is errno 0.
inline int answer_all(const Commands& commands) {
  for (std::string line; std::getline(std::cin, line);) {
    std::string reply;
    try {
      Arguments arguments(line);
      const auto name = arguments.word();
      const auto command = commands.find(name);
      if (command == commands.end()) throw std::invalid_argument("unknown command " + name);
      reply = "ok " + command->second(arguments);
    } catch (const std::system_error& error) {
      reply = "err " + std::to_string(error.code().value()) + " " + error.what();
    } catch (const std::exception& error) {
      reply = std::string("err 0 ") + error.what();
    }
    reply += '\n';
    std::fwrite(reply.data(), 1, reply.size(), stdout);
    std::fflush(stdout);
  }
  return 0;
}

}  // namespace zcl::user
