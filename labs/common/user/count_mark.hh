// SPDX-License-Identifier: MIT
// A mark in the instruction stream: the counting plugin stores its counters when it is executed.
// On any other machine it is a plain no-operation.
#pragma once

#include <cstdint>

namespace zcl::user {

/// Stores the counters with `Tag` (16 bits) in the host's counter page. The mark itself is not
/// counted: the difference of two marks is the number of instructions between them.
/// Encoding: nopl 0x5a4c<Tag>(%rax,%rax,1), see harness/vm/counter_page.h. It is an explanation
/// for the reader of a measurement; a student's program can execute it too, so no point hangs on
/// it.
template <std::uint16_t Tag>
[[gnu::always_inline]] inline void count_mark() {
  asm volatile(".byte 0x0f, 0x1f, 0x84, 0x00\n\t.long %c0" ::"i"(0x5a4c0000 | Tag) : "memory");
}

}  // namespace zcl::user
