// SPDX-License-Identifier: MIT
// Prints the records of the corrected ring, read where the kernel wrote them.
//
//   nf_reader [COUNT] [quiet] [hold]
//
// Without COUNT: all there is. With it: waits for so many. quiet: look at every byte, print none.
// hold: stay mapped until standard input ends. Needs root and, on a kernel with STRICT_DEVMEM, the
// module devmem_gate.
#include <sys/mman.h>

#include <cstring>
#include <ctime>

#include "buffer_map.hh"
#include "count_mark.hh"
#include "nf_lab.h"
#include "print_record.hh"
#include "ring_reader.hh"

namespace {

using namespace zcl::user;

void wait_a_little() {
  const timespec pause{0, 200'000};
  ::nanosleep(&pause, nullptr);
}

struct Options {
  unsigned long long wanted = 0;  ///< 0: all there is
  bool quiet = false;
  bool hold = false;
};

Options parse(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    if (std::strcmp(argv[i], "quiet") == 0) {
      options.quiet = true;
    } else if (std::strcmp(argv[i], "hold") == 0) {
      options.hold = true;
    } else {
      options.wanted = std::strtoull(argv[i], nullptr, 10);
    }
  }
  return options;
}

void show(const Record& record, bool quiet) {
  const unsigned long long number = record.number + 1;
  if (record.damaged) {
    std::printf("%llu:damaged\n", number);
  } else if (quiet) {
    look_at(record.data);
  } else {
    print_record(number, record.data);
  }
}

int read_ring(const Options& options) {
  const BufferMap buffer(read_block_addresses("/proc/nf_addr"));
  RingReader reader({buffer.data(), buffer.size()});
  if (options.wanted != 0) {
    std::puts("ready");
    std::fflush(stdout);
  }
  unsigned long long taken = 0;
  count_mark<NF_MARK_BEGIN>();
  while (options.wanted == 0 || taken < options.wanted) {
    const std::optional<Record> record = reader.next();
    if (record) {
      show(*record, options.quiet);
      reader.release();
      ++taken;
    } else if (options.wanted == 0) {
      break;
    } else {
      wait_a_little();
    }
  }
  count_mark<NF_MARK_END>();
  std::puts("no more data");
  if (options.hold) hold_until_end_of_input();
  return EXIT_SUCCESS;
}

}  // namespace

int main(int argc, char** argv) {
  return run_program("nf_reader", [&] { return read_ring(parse(argc, argv)); });
}
