// SPDX-License-Identifier: MIT
// Guest side of the counting tests: pieces of work whose counts are known beforehand, each between
// two marks.
//
//   count_probe loop N       2 N + 1 user instructions
//   count_probe syscalls N   N getpid system calls
//   count_probe fault N      N pages touched for the first time: each store is started twice
//   count_probe registers RESOURCE OFFSET READS WRITES
//                            accesses to the register at OFFSET of a PCI device's sysfs resource
//   count_probe ports N      N reads of I/O port 0x80 and N writes to it
#include <fcntl.h>
#include <sys/io.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "labs/common/user/count_mark.hh"

namespace {

constexpr std::uint16_t kBegin = 1;
constexpr std::uint16_t kEnd = 2;
constexpr std::size_t kPage = 4096;
constexpr std::size_t kBarBytes = std::size_t{128} * 1024;

using zcl::user::count_mark;

/// mov, then N times (dec, jnz); an xor swallows nothing.
void loop(std::uint64_t count) {
  count_mark<kBegin>();
  asm volatile(
      "mov %0, %%rcx\n"
      "1: dec %%rcx\n"
      "jnz 1b" ::"r"(count)
      : "rcx", "cc");
  count_mark<kEnd>();
}

void system_calls(std::uint64_t count) {
  count_mark<kBegin>();
  for (std::uint64_t i = 0; i < count; ++i) ::syscall(SYS_getpid);
  count_mark<kEnd>();
}

bool first_touches(std::uint64_t count) {
  void* const area = ::mmap(nullptr, count * kPage, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (area == MAP_FAILED) return false;
  ::madvise(area, count * kPage, MADV_NOHUGEPAGE);
  count_mark<kBegin>();
  // Five instructions a page, of which the store faults and is started again.
  asm volatile(
      "1: movb $1, (%0)\n"
      "add $4096, %0\n"
      "nop\n"
      "dec %1\n"
      "jnz 1b"
      : "+r"(*const_cast<char**>(reinterpret_cast<char* const*>(&area))), "+r"(count)::"cc",
        "memory");
  count_mark<kEnd>();
  return true;
}

bool registers(const char* resource, std::size_t offset, std::uint64_t reads,
               std::uint64_t writes) {
  const int fd = ::open(resource, O_RDWR | O_SYNC);
  if (fd < 0) return false;
  void* const map = ::mmap(nullptr, kBarBytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (map == MAP_FAILED) return false;
  auto* const reg = reinterpret_cast<volatile std::uint32_t*>(static_cast<char*>(map) + offset);
  const std::uint32_t value = *reg;
  count_mark<kBegin>();
  for (std::uint64_t i = 0; i < reads; ++i) static_cast<void>(*reg);
  for (std::uint64_t i = 0; i < writes; ++i) *reg = value;
  count_mark<kEnd>();
  return true;
}

bool ports(std::uint64_t count) {
  if (::ioperm(0x80, 1, 1) != 0) return false;
  count_mark<kBegin>();
  for (std::uint64_t i = 0; i < count; ++i) outb(inb(0x80), 0x80);
  count_mark<kEnd>();
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  const auto number = [&](int i) { return i < argc ? std::strtoull(argv[i], nullptr, 0) : 0; };
  const char* const what = argc > 1 ? argv[1] : "";
  bool ok = argc > 2;
  if (ok && std::strcmp(what, "loop") == 0) {
    loop(number(2));
  } else if (ok && std::strcmp(what, "syscalls") == 0) {
    system_calls(number(2));
  } else if (ok && std::strcmp(what, "fault") == 0) {
    ok = first_touches(number(2));
  } else if (ok && std::strcmp(what, "registers") == 0) {
    ok = registers(argv[2], number(3), number(4), number(5));
  } else if (ok && std::strcmp(what, "ports") == 0) {
    ok = ports(number(2));
  } else {
    std::fprintf(stderr, "usage: count_probe loop|syscalls|fault|registers|ports ...\n");
    return 2;
  }
  if (!ok) std::perror(what);
  return ok ? 0 : 1;
}
