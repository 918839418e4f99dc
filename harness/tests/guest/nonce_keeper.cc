// SPDX-License-Identifier: MIT
// Puts bytes at places whose physical addresses are known, and keeps them there.
//
//   nonce_keeper small COUNT     COUNT copies, each over the border of two locked pages
//   nonce_keeper huge MIB        one copy in the middle of a huge page of 2 or 1024 MiB
//   nonce_keeper devmem ADDRESS  one copy at this physical address (reserved at boot)
//
// Reads the bytes as one line of hexadecimal digits, so that they stand nowhere on their way, and
// prints "copy VIRTUAL PHYSICAL PHYSICAL": of its first byte, and of the page its last byte is in.
// Ends when its standard input does.
#include <sys/mman.h>

#include <cinttypes>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "labs/common/user/file_descriptor.hh"
#include "labs/common/user/mapping.hh"

namespace {

using zcl::user::check;

constexpr std::uint64_t kPage = 4096;

char read_char() {
  char c = 0;
  check("read", ::read(STDIN_FILENO, &c, 1));
  return c;
}

std::string read_line() {
  std::string line;
  for (char c = read_char(); c != '\n' && c != 0; c = read_char()) line += c;
  return line;
}

void write_bytes(std::uint8_t* to, const std::string& digits) {
  // One byte at a time through a register: no vector, no buffer that keeps a copy.
  for (std::size_t i = 0; i + 1 < digits.size(); i += 2) {
    const auto value = [](char c) { return c <= '9' ? c - '0' : c - 'a' + 10; };
    reinterpret_cast<volatile std::uint8_t*>(to)[i / 2] =
        static_cast<std::uint8_t>(value(digits[i]) << 4 | value(digits[i + 1]));
  }
}

/// Documentation/admin-guide/mm/pagemap.rst: bits 0-54 are the frame number.
std::uint64_t physical_address(const void* address) {
  static const zcl::user::FileDescriptor pagemap =
      zcl::user::open_file("/proc/self/pagemap", O_RDONLY);
  const auto where = reinterpret_cast<std::uintptr_t>(address);
  std::uint64_t entry = 0;
  check("pagemap", ::pread(pagemap.get(), &entry, sizeof entry,
                           static_cast<off_t>(where / kPage * sizeof entry)));
  return (entry & ((1ULL << 55) - 1)) * kPage + where % kPage;
}

void report(const std::uint8_t* copy, std::uint64_t first, std::uint64_t last) {
  std::printf("copy %" PRIx64 " %" PRIx64 " %" PRIx64 "\n",
              static_cast<std::uint64_t>(reinterpret_cast<std::uintptr_t>(copy)), first, last);
}

std::uint8_t* map_memory(std::size_t length, int flags) {
  void* memory = ::mmap(nullptr, length, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE | MAP_LOCKED | flags, -1, 0);
  if (memory == MAP_FAILED) zcl::user::throw_errno("mmap");
  return static_cast<std::uint8_t*>(memory);
}

void keep(std::uint8_t* copy, const std::string& digits) {
  write_bytes(copy, digits);
  report(copy, physical_address(copy), physical_address(copy + digits.size() / 2 - 1));
}

void keep_small(std::size_t count, const std::string& digits) {
  // Each copy in pages of its own, its middle on the border of two.
  auto* memory = map_memory(count * 4 * kPage, 0);
  check("madvise", ::madvise(memory, count * 4 * kPage, MADV_NOHUGEPAGE));
  for (std::size_t i = 0; i < count; ++i) {
    keep(memory + i * 4 * kPage + 2 * kPage - digits.size() / 4, digits);
  }
}

void keep_huge(std::uint64_t mib, const std::string& digits) {
  const std::uint64_t length = mib << 20;
  const int shift = mib == 1024 ? 30 : 21;
  auto* memory = map_memory(length, MAP_HUGETLB | shift << MAP_HUGE_SHIFT);
  keep(memory + length / 2 + 12345, digits);
}

void keep_devmem(std::uint64_t address, const std::string& digits) {
  const auto file = zcl::user::open_file("/dev/mem", O_RDWR | O_SYNC);
  static const zcl::user::Mapping mapping(file, address & ~(kPage - 1), 4 * kPage);
  auto* copy = reinterpret_cast<std::uint8_t*>(mapping.data()) + address % kPage;
  write_bytes(copy, digits);
  report(copy, address, address + digits.size() / 2 - 1);
}

}  // namespace

int main(int argc, char** argv) {
  return zcl::user::run_program("nonce_keeper", [&] {
    if (argc != 3) throw std::runtime_error("usage: nonce_keeper small|huge|devmem NUMBER");
    const std::string kind = argv[1];
    const std::uint64_t number = std::strtoull(argv[2], nullptr, 0);
    const std::string digits = read_line();
    if (kind == "small") keep_small(static_cast<unsigned>(number), digits);
    if (kind == "huge") keep_huge(number, digits);
    if (kind == "devmem") keep_devmem(number, digits);
    std::printf("done\n");
    std::fflush(stdout);
    char byte = 0;
    while (check("read", ::read(STDIN_FILENO, &byte, 1)) > 0) {
    }
    return 0;
  });
}
