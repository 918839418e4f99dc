// SPDX-License-Identifier: MIT
// The instruction decoder, the counter page's reader and the interrupt list, without a machine.
#include <gtest/gtest.h>
#include <sys/mman.h>

#include "harness/base/error.hh"
#include "harness/base/random.hh"
#include "harness/vm/counter_page.h"
#include "harness/vm/instruction_counter.hh"
#include "harness/vm/interrupt_counter.hh"
#include "harness/vm/plugin/x86_decode.h"

namespace zcl::vm {
namespace {

zcl_kind kind_of(std::initializer_list<std::uint8_t> code) {
  const base::Bytes bytes(code);
  return zcl_classify(bytes.data(), bytes.size());
}

TEST(X86Decode, FindsSystemCallsInEverySpelling) {
  EXPECT_EQ(kind_of({0x0f, 0x05}), ZCL_KIND_SYSTEM_CALL);
  EXPECT_EQ(kind_of({0x48, 0x0f, 0x05}), ZCL_KIND_SYSTEM_CALL);              // rex.w
  EXPECT_EQ(kind_of({0x66, 0x2e, 0x41, 0x0f, 0x05}), ZCL_KIND_SYSTEM_CALL);  // more prefixes
  EXPECT_EQ(kind_of({0x0f, 0x34}), ZCL_KIND_SYSTEM_CALL);                    // sysenter
  EXPECT_EQ(kind_of({0xcd, 0x80}), ZCL_KIND_SYSTEM_CALL);                    // int 0x80
  EXPECT_EQ(kind_of({0xcd, 0x03}), ZCL_KIND_OTHER);
}

TEST(X86Decode, FindsPortAccesses) {
  EXPECT_EQ(kind_of({0xec}), ZCL_KIND_PORT_READ);
  EXPECT_EQ(kind_of({0xe5, 0x80}), ZCL_KIND_PORT_READ);
  EXPECT_EQ(kind_of({0xf3, 0x6d}), ZCL_KIND_PORT_READ);
  EXPECT_EQ(kind_of({0x66, 0xef}), ZCL_KIND_PORT_WRITE);
  EXPECT_EQ(kind_of({0xe6, 0x80}), ZCL_KIND_PORT_WRITE);
}

TEST(X86Decode, KnowsTheMarkFromOtherNops) {
  const base::Bytes mark = {0x0f, 0x1f, 0x84, 0x00, 0x34, 0x12, 0x4c, 0x5a};
  EXPECT_EQ(zcl_classify(mark.data(), mark.size()), ZCL_KIND_MARK);
  EXPECT_EQ(zcl_mark_tag(mark.data()), 0x1234);
  EXPECT_EQ(kind_of({0x0f, 0x1f, 0x84, 0x00, 0, 0, 0, 0}), ZCL_KIND_PLAIN);
  EXPECT_EQ(kind_of({0x66, 0x0f, 0x1f, 0x84, 0x00, 0x34, 0x12, 0x4c, 0x5a}), ZCL_KIND_PLAIN);
}

TEST(X86Decode, CallsPlainOnlyWhatCannotFault) {
  EXPECT_EQ(kind_of({0x48, 0x89, 0xc8}), ZCL_KIND_PLAIN);        // mov %rcx,%rax
  EXPECT_EQ(kind_of({0x48, 0x89, 0x08}), ZCL_KIND_OTHER);        // mov %rcx,(%rax)
  EXPECT_EQ(kind_of({0x48, 0x83, 0xc0, 0x01}), ZCL_KIND_PLAIN);  // add $1,%rax
  EXPECT_EQ(kind_of({0x48, 0xff, 0xc9}), ZCL_KIND_PLAIN);        // dec %rcx
  EXPECT_EQ(kind_of({0x75, 0xfb}), ZCL_KIND_PLAIN);              // jnz
  EXPECT_EQ(kind_of({0x48, 0xf7, 0xf1}), ZCL_KIND_OTHER);        // div %rcx
  EXPECT_EQ(kind_of({0xff, 0xe0}), ZCL_KIND_OTHER);              // jmp *%rax
  EXPECT_EQ(kind_of({0xe8, 0, 0, 0, 0}), ZCL_KIND_OTHER);        // call pushes
  EXPECT_EQ(kind_of({0x0f, 0x0b}), ZCL_KIND_OTHER);              // ud2
  EXPECT_EQ(kind_of({0xf0, 0x01, 0xc8}), ZCL_KIND_OTHER);        // lock add of registers: #UD
  EXPECT_EQ(kind_of({0x8d, 0xc0}), ZCL_KIND_OTHER);              // lea of a register: #UD
}

TEST(X86Decode, ReadsNothingBeyondTheInstruction) {
  base::RandomStream random(1, "decoder");
  for (int i = 0; i < 200000; ++i) {
    const base::Bytes code = random.bytes(random.below(16));  // the sanitizer watches its end
    static_cast<void>(zcl_classify(code.data(), code.size()));
  }
}

/// The page as the plugin sees it.
class CounterPage : public testing::Test {
 protected:
  CounterPage()
      : page_(static_cast<zcl_counter_page*>(::mmap(nullptr, sizeof(zcl_counter_page),
                                                    PROT_READ | PROT_WRITE, MAP_SHARED,
                                                    counter_.descriptor(), 0))) {}
  ~CounterPage() override { ::munmap(page_, sizeof(zcl_counter_page)); }

  void mark(std::uint64_t tag, std::uint64_t user) {
    auto& entry = page_->marks[page_->marks_written % ZCL_COUNTER_MARKS];
    entry.tag = tag;
    entry.values.user = user;
    page_->marks_written++;
  }

  InstructionCounter counter_;
  zcl_counter_page* page_;
};

TEST_F(CounterPage, HasNoCountsBeforeThePluginAttached) {
  EXPECT_EQ(page_->magic, ZCL_COUNTER_MAGIC);
  EXPECT_FALSE(counter_.attached());
  EXPECT_THROW(static_cast<void>(counter_.snapshot()), EnvironmentError);
}

TEST_F(CounterPage, GivesEachCounter) {
  page_->attached = ZCL_COUNTER_VERSION;
  page_->values = {1, 2, 3, 4, 5, 6, 7, 8, 9};
  const InstructionCounts expected = {1, 2, 3, 4, 5, 6, 7, 8, 9};
  EXPECT_EQ(counter_.snapshot(), expected);
  EXPECT_EQ(counter_.snapshot() - expected, InstructionCounts{});
  EXPECT_EQ(expected.total(), 3U);
}

TEST_F(CounterPage, SumsTheRegisterPagesOfADevice) {
  page_->device_pages[5] = {0xfeb00001, 10, 1};
  page_->device_pages[6] = {0xfeb05001, 20, 2};
  page_->device_pages[7] = {0xfeb20001, 40, 4};
  const auto sum = counter_.register_accesses(0xfeb00000, 0xfeb20000);
  EXPECT_EQ(sum.reads, 30U);
  EXPECT_EQ(sum.writes, 3U);
}

TEST_F(CounterPage, KeepsTheLatestMarks) {
  for (std::uint64_t i = 0; i < ZCL_COUNTER_MARKS + 3; ++i) mark(i, i * 10);
  const auto all = counter_.marks();
  ASSERT_EQ(all.size(), ZCL_COUNTER_MARKS);
  EXPECT_EQ(all.front().tag, 3);
  EXPECT_EQ(all.back().tag, ZCL_COUNTER_MARKS + 2);
  EXPECT_EQ(counter_.marks(ZCL_COUNTER_MARKS + 2).size(), 1U);
  EXPECT_TRUE(counter_.marks(~std::uint64_t{0}).empty());
}

TEST_F(CounterPage, SubtractsTheLastPairOfMarks) {
  mark(1, 100);
  mark(2, 150);
  mark(1, 200);
  mark(2, 207);
  mark(1, 300);  // not ended
  EXPECT_EQ(between_marks(counter_.marks(), 1, 2).user, 7U);
  EXPECT_THROW(between_marks(counter_.marks(), 2, 3), std::out_of_range);
}

TEST(Interrupts, AreReadFromTheMonitorsList) {
  const auto counts = parse_interrupts(
      "IRQ statistics for ioapic:\r\n 0: 122\r\n11: 7\r\n"
      "IRQ statistics for isa-i8259:\r\n 0: 122\r\n"
      "IRQ statistics not available for kvm-ioapic.\r\n");
  const InterruptCounts expected = {{"ioapic:0", 122}, {"ioapic:11", 7}, {"isa-i8259:0", 122}};
  EXPECT_EQ(counts, expected);
  EXPECT_EQ(raised(counts), 129U);
  EXPECT_EQ(raised(counts, "isa-i8259"), 122U);
  const InterruptCounts moved = {{"ioapic:11", 7}};
  EXPECT_EQ(difference(counts, {{"ioapic:0", 122}, {"isa-i8259:0", 122}}), moved);
}

TEST(Interrupts, RefuseWhatIsNoList) {
  EXPECT_TRUE(parse_interrupts("").empty());
  EXPECT_THROW(parse_interrupts("unknown command"), EnvironmentError);
  EXPECT_THROW(parse_interrupts(" 0: 12"), EnvironmentError);  // no controller
  EXPECT_THROW(parse_interrupts("IRQ statistics for ioapic:\n x: 12"), EnvironmentError);
  EXPECT_THROW(parse_interrupts("IRQ statistics for ioapic:\n 1: 99999999999999999999999"),
               EnvironmentError);
}

}  // namespace
}  // namespace zcl::vm
