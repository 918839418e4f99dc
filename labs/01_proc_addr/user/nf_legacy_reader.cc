// SPDX-License-Identifier: MIT
// The article's reader for the article's ring (rows A3, A4, A7): nine characters of an address, a
// mapping of /dev/mem, and a copy of each record before it is printed.
//
//   nf_legacy_reader [quiet] [hold]
//
// What was changed: the nine characters get a terminator (nf_atol shows what happens without), and
// a length that cannot be true is printed but not followed.
#include <algorithm>
#include <cstring>
#include <vector>

#include "count_mark.hh"
#include "mapping.hh"
#include "nf_lab.h"
#include "nf_ring.h"
#include "print_record.hh"

namespace {

using namespace zcl::user;

std::uint64_t read_address() {
  char text[10] = {};
  const FileDescriptor file = open_file("/proc/nf_addr_9chars", O_RDONLY);
  check("read", ::read(file.get(), text, 9));
  return static_cast<std::uint64_t>(std::atol(text));
}

int read_ring(bool quiet, bool hold) {
  const FileDescriptor memory = open_file("/dev/mem", O_RDWR | O_SYNC);
  const Mapping ring(memory, read_address(), 512 * 4096);
  auto* header = reinterpret_cast<nf_legacy_header*>(ring.data());
  if (header->slot_bytes != NF_LEGACY_SLOT_BYTES || header->slots != NF_LEGACY_SLOTS) {
    throw std::runtime_error("no ring at that address");
  }
  std::vector<std::byte> copy(NF_LEGACY_DATA_BYTES);
  unsigned slot_number = std::clamp<unsigned>(header->read_index, 1, NF_LEGACY_DATA_SLOTS);
  count_mark<NF_MARK_BEGIN>();
  for (unsigned long long number = 1;; ++number) {
    auto* slot =
        reinterpret_cast<nf_legacy_slot*>(ring.data() + slot_number * NF_LEGACY_SLOT_BYTES);
    const std::uint32_t length = *const_cast<volatile __u32*>(&slot->length);
    if (length == 0) break;
    if (length > NF_LEGACY_DATA_BYTES) {
      std::printf("%llu:[size = %u, more than a slot]\n", number, length);
    } else {
      std::memcpy(copy.data(), slot->data, length);
      const std::span<const std::byte> record(copy.data(), length);
      quiet ? look_at(record) : print_record(number, record);
    }
    slot->length = 0;
    slot_number = slot_number % NF_LEGACY_DATA_SLOTS + 1;
    header->read_index = static_cast<__u16>(slot_number);
  }
  count_mark<NF_MARK_END>();
  std::puts("no more data");
  if (hold) hold_until_end_of_input();
  return EXIT_SUCCESS;
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> words(argv + 1, argv + argc);
  const auto asked = [&](const char* word) { return std::ranges::count(words, word) != 0; };
  return run_program("nf_legacy_reader", [&] { return read_ring(asked("quiet"), asked("hold")); });
}
