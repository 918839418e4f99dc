// SPDX-License-Identifier: MIT
// How a request is refused: an errno and a sentence.
#pragma once

#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <string>

namespace zcl::guest {

class RequestError : public std::runtime_error {
 public:
  RequestError(int error_number, const std::string& text)
      : std::runtime_error(text), error_number_(error_number) {}
  [[nodiscard]] int error_number() const { return error_number_; }

 private:
  int error_number_;
};

/// Throws RequestError for errno, as "what: No such file or directory".
[[noreturn]] inline void refuse(const std::string& what, int error_number = errno) {
  throw RequestError(error_number, what + ": " + std::strerror(error_number));
}

}  // namespace zcl::guest
