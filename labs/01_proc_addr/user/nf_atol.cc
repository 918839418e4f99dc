// SPDX-License-Identifier: MIT
// The article's way to read an address: `char addr[9]`, read(2) of nine characters, atol (row A7).
//
//   nf_atol FILE
//
// An array of nine characters has no room for a terminator, so atol runs on into whatever stands
// behind it. What stands there is given here, once a zero and once a digit, by a structure: the
// same characters then mean two numbers.
#include <cstring>

#include "file_descriptor.hh"

namespace {

using namespace zcl::user;

struct Stack {
  char addr[9];
  char behind[7];
};

long long parse_with_neighbour(const char (&characters)[9], char neighbour) {
  Stack stack{};
  std::memcpy(stack.addr, characters, sizeof stack.addr);
  stack.behind[0] = neighbour;
  return std::atoll(reinterpret_cast<const char*>(&stack));
}

int read_address(const char* path) {
  char characters[9] = {};
  const FileDescriptor file = open_file(path, O_RDONLY);
  const ssize_t got = check("read", ::read(file.get(), characters, sizeof characters));
  std::printf("characters %zd\n", got);
  std::printf("zero_behind %lld\n", parse_with_neighbour(characters, '\0'));
  std::printf("digit_behind %lld\n", parse_with_neighbour(characters, '7'));
  return EXIT_SUCCESS;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fputs("usage: nf_atol FILE\n", stderr);
    return EXIT_FAILURE;
  }
  return run_program("nf_atol", [&] { return read_address(argv[1]); });
}
