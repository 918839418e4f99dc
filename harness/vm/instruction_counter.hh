// SPDX-License-Identifier: MIT
// The host's side of the counting plugin: makes the counter page, reads it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "harness/base/file_descriptor.hh"
#include "harness/vm/counters.hh"

struct zcl_counter_page;

namespace zcl::vm {

/// The counters as they stood when the guest executed a mark (counter_page.h).
struct CounterMark {
  std::uint16_t tag = 0;
  InstructionCounts counts;
};

/// Owns one counter page: an anonymous file, so nothing is left in the file system. QEMU inherits
/// descriptor() and is started with `-plugin` and plugin_argument().
///
/// The page is written by QEMU, which runs untrusted guests: every value read is bounded, and a
/// page that makes no sense is an EnvironmentError.
class InstructionCounter {
 public:
  /// Throws std::system_error.
  InstructionCounter();
  InstructionCounter(InstructionCounter&&) noexcept;
  InstructionCounter& operator=(InstructionCounter&&) noexcept;
  ~InstructionCounter();

  /// The page's file, close-on-exec; QEMU must inherit it (clear the flag in the child).
  [[nodiscard]] int descriptor() const { return file_.get(); }
  /// Value of QEMU's `-plugin` option when QEMU has the page's file as descriptor `fd_in_qemu`.
  /// Throws EnvironmentError when the plugin has not been built.
  [[nodiscard]] static std::string plugin_argument(int fd_in_qemu);

  /// Whether the plugin has accepted the page.
  [[nodiscard]] bool attached() const;
  /// Totals since QEMU started. Pause the machine for a consistent view. Throws EnvironmentError
  /// when the plugin never attached.
  [[nodiscard]] InstructionCounts snapshot() const;
  /// Accesses by user space and kernel to registers in [begin, end), whole 4 KiB pages.
  [[nodiscard]] RegisterAccesses register_accesses(std::uint64_t begin, std::uint64_t end) const;

  /// Marks executed so far.
  [[nodiscard]] std::uint64_t marks_written() const;
  /// The marks numbered `first` and later (0 is the first one ever), oldest first. Only the latest
  /// ZCL_COUNTER_MARKS are kept; older ones are left out.
  [[nodiscard]] std::vector<CounterMark> marks(std::uint64_t first = 0) const;

 private:
  base::FileDescriptor file_;
  zcl_counter_page* page_ = nullptr;
};

/// The difference of the last mark tagged `begin` that is followed by one tagged `end`, and that
/// one: what was executed between them. Throws std::out_of_range when there is no such pair.
InstructionCounts between_marks(const std::vector<CounterMark>& marks, std::uint16_t begin,
                                std::uint16_t end);

}  // namespace zcl::vm
