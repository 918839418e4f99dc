// SPDX-License-Identifier: MIT
// What the test programs of lab 03's ring expect, said when it does not come true.
#pragma once

#include <cerrno>
#include <stdexcept>
#include <string>

namespace zcl::test {

class Unexpected : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

inline void expect(bool condition, const std::string& what) {
  if (!condition) throw Unexpected(what);
}

template <typename Call>
void expect_errno(int expected, const std::string& what, Call&& call) {
  errno = 0;
  const auto result = call();
  expect(static_cast<long>(result) == -1 && errno == expected,
         what + ": expected errno " + std::to_string(expected) + ", got " +
             (static_cast<long>(result) == -1 ? std::to_string(errno) : std::string("success")));
}

}  // namespace zcl::test
