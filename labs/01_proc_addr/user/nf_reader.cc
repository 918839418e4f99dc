// SPDX-License-Identifier: MIT
// Prints the records of the corrected ring, read where the kernel wrote them.
//
//   nf_reader [COUNT] [hold]
//
// Without COUNT: all there is. With it: waits for so many. hold: stay mapped until standard input
// ends. Needs root and, on a kernel with STRICT_DEVMEM, the module devmem_gate.
#include <sys/mman.h>

#include <cstring>
#include <ctime>

#include "buffer_map.hh"
#include "print_record.hh"
#include "ring_reader.hh"

namespace {

using namespace zcl::user;

void wait_a_little() {
  const timespec pause{0, 200'000};
  ::nanosleep(&pause, nullptr);
}

int read_ring(unsigned long long wanted, bool hold) {
  const BufferMap buffer(read_block_addresses("/proc/nf_addr"));
  RingReader reader({buffer.data(), buffer.size()});
  unsigned long long taken = 0;
  if (wanted != 0) {
    std::puts("ready");
    std::fflush(stdout);
  }
  while (wanted == 0 || taken < wanted) {
    const std::optional<Record> record = reader.next();
    if (!record) {
      if (wanted == 0) break;
      wait_a_little();
      continue;
    }
    if (record->damaged) {
      std::printf("%llu:damaged\n", static_cast<unsigned long long>(record->number + 1));
    } else {
      print_record(record->number + 1, record->data);
    }
    reader.release();
    ++taken;
  }
  std::puts("no more data");
  if (hold) hold_until_end_of_input();
  return EXIT_SUCCESS;
}

}  // namespace

int main(int argc, char** argv) {
  const bool hold = argc > 1 && std::strcmp(argv[argc - 1], "hold") == 0;
  const unsigned long long wanted = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 0;
  return run_program("nf_reader", [&] { return read_ring(wanted, hold); });
}
