// SPDX-License-Identifier: MIT
// Fills memory with a word and ends, so that free memory is not by chance all zeros.
//
//   nf_dirty MIB WORD
#include <cstdint>
#include <cstdio>
#include <cstdlib>

#include "mapping.hh"

namespace {

using namespace zcl::user;

int fill(std::size_t bytes, std::uint64_t word) {
  void* memory = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) throw_errno("mmap");
  // Large pages spare most of the faults; where there are none it only takes longer.
  ::madvise(memory, bytes, MADV_HUGEPAGE);
  auto* words = static_cast<volatile std::uint64_t*>(memory);
  for (std::size_t i = 0; i < bytes / sizeof word; ++i) words[i] = word;
  return EXIT_SUCCESS;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fputs("usage: nf_dirty MIB WORD\n", stderr);
    return EXIT_FAILURE;
  }
  return run_program("nf_dirty", [&] {
    return fill(std::strtoull(argv[1], nullptr, 10) << 20, std::strtoull(argv[2], nullptr, 0));
  });
}
