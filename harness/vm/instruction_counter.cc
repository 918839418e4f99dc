// SPDX-License-Identifier: MIT
#include "harness/vm/instruction_counter.hh"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <stdexcept>
#include <utility>

#include "harness/base/error.hh"
#include "harness/base/paths.hh"
#include "harness/vm/counter_page.h"

namespace zcl::vm {

namespace {

constexpr std::uint64_t kPageMask = ~std::uint64_t{0xfff};

/// QEMU may be writing: read each word once and whole.
std::uint64_t load(std::uint64_t& word) {
  return std::atomic_ref(word).load(std::memory_order_acquire);
}

InstructionCounts to_counts(zcl_counter_values& values) {
  return {
      .user = load(values.user),
      .kernel = load(values.kernel),
      .system_calls = load(values.system_calls),
      .register_reads = load(values.register_reads),
      .register_writes = load(values.register_writes),
      .user_register_reads = load(values.user_register_reads),
      .user_register_writes = load(values.user_register_writes),
      .port_reads = load(values.port_reads),
      .port_writes = load(values.port_writes),
  };
}

}  // namespace

InstructionCounts operator-(const InstructionCounts& later, const InstructionCounts& earlier) {
  return {
      .user = later.user - earlier.user,
      .kernel = later.kernel - earlier.kernel,
      .system_calls = later.system_calls - earlier.system_calls,
      .register_reads = later.register_reads - earlier.register_reads,
      .register_writes = later.register_writes - earlier.register_writes,
      .user_register_reads = later.user_register_reads - earlier.user_register_reads,
      .user_register_writes = later.user_register_writes - earlier.user_register_writes,
      .port_reads = later.port_reads - earlier.port_reads,
      .port_writes = later.port_writes - earlier.port_writes,
  };
}

InstructionCounter::InstructionCounter()
    : file_(base::check_system_call("memfd_create", ::memfd_create("zcl-counters", MFD_CLOEXEC))) {
  base::check_system_call("ftruncate", ::ftruncate(file_.get(), sizeof(zcl_counter_page)));
  void* const map =
      ::mmap(nullptr, sizeof(zcl_counter_page), PROT_READ | PROT_WRITE, MAP_SHARED, file_.get(), 0);
  if (map == MAP_FAILED) base::throw_system_error("mmap of the counter page");
  page_ = static_cast<zcl_counter_page*>(map);
  page_->magic = ZCL_COUNTER_MAGIC;
  page_->version = ZCL_COUNTER_VERSION;
  page_->size = sizeof(zcl_counter_page);
}

InstructionCounter::InstructionCounter(InstructionCounter&& other) noexcept
    : file_(std::move(other.file_)), page_(std::exchange(other.page_, nullptr)) {}

InstructionCounter& InstructionCounter::operator=(InstructionCounter&& other) noexcept {
  std::swap(file_, other.file_);
  std::swap(page_, other.page_);
  return *this;
}

InstructionCounter::~InstructionCounter() {
  if (page_ != nullptr) ::munmap(page_, sizeof(zcl_counter_page));
}

std::string InstructionCounter::plugin_argument(int fd_in_qemu) {
  const auto plugin = base::build_root() / "zcl_count.so";
  if (!std::filesystem::exists(plugin)) {
    throw EnvironmentError("the counting plugin " + plugin.string() +
                           " is missing; build it with `make`");
  }
  return plugin.string() + ",page=/proc/self/fd/" + std::to_string(fd_in_qemu);
}

bool InstructionCounter::attached() const {
  return std::atomic_ref(page_->attached).load(std::memory_order_acquire) == ZCL_COUNTER_VERSION;
}

InstructionCounts InstructionCounter::snapshot() const {
  if (!attached()) {
    throw EnvironmentError(
        "QEMU did not load the counting plugin, so this machine has no instruction counts; "
        "`zcl doctor` tells whether QEMU was built with plugins");
  }
  return to_counts(page_->values);
}

RegisterAccesses InstructionCounter::register_accesses(std::uint64_t begin,
                                                       std::uint64_t end) const {
  RegisterAccesses sum;
  for (auto& entry : page_->device_pages) {
    const std::uint64_t key = load(entry.address);
    const std::uint64_t address = key & kPageMask;
    if (key == 0 || address < begin || address >= end) continue;
    sum.reads += load(entry.reads);
    sum.writes += load(entry.writes);
  }
  return sum;
}

std::uint64_t InstructionCounter::marks_written() const {
  return load(page_->marks_written);
}

std::vector<CounterMark> InstructionCounter::marks(std::uint64_t first) const {
  const std::uint64_t end = marks_written();
  const std::uint64_t kept = std::min<std::uint64_t>(end, ZCL_COUNTER_MARKS);
  std::vector<CounterMark> result;
  for (std::uint64_t number = std::max(first, end - kept); number < end; ++number) {
    auto& mark = page_->marks[number % ZCL_COUNTER_MARKS];
    result.push_back({static_cast<std::uint16_t>(load(mark.tag)), to_counts(mark.values)});
  }
  return result;
}

InstructionCounts between_marks(const std::vector<CounterMark>& marks, std::uint16_t begin,
                                std::uint16_t end) {
  const CounterMark* last = nullptr;
  for (auto mark = marks.rbegin(); mark != marks.rend(); ++mark) {
    if (mark->tag == end) last = &*mark;
    if (mark->tag == begin && last != nullptr) return last->counts - mark->counts;
  }
  throw std::out_of_range("the guest executed no mark " + std::to_string(begin) +
                          " followed by a mark " + std::to_string(end));
}

}  // namespace zcl::vm
