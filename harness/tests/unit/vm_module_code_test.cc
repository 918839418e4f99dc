// SPDX-License-Identifier: MIT
// Where a CPU is in a module's code, from a guest memory made by hand.
#include <elf.h>
#include <gtest/gtest.h>

#include "harness/tests/unit/synthetic_kernel.hh"
#include "harness/vm/module_code.hh"

namespace zcl::vm {
namespace {

using test::SyntheticKernel;

constexpr PhysicalAddress kModules = 0x4000;
constexpr PhysicalAddress kModule = 0x20000;
constexpr PhysicalAddress kTables = 0x21000;
constexpr PhysicalAddress kSymbols = 0x22000;
constexpr PhysicalAddress kNames = 0x23000;
constexpr PhysicalAddress kStack = 0x28000;  // a whole kernel stack: a multiple of 16 KiB
constexpr VirtualAddress kCode = 0xffffffffc0240000;

class ModuleCode : public testing::Test {
 protected:
  ModuleCode() {
    auto& ram = kernel_.ram();
    const auto linear = SyntheticKernel::linear;
    ram.store<std::uint64_t>(kModules, linear(kModule + 8));
    ram.store<std::uint64_t>(kModule + 8, linear(kModules));
    ram.text(kModule + 24, std::string("lab_driver") + '\0');
    ram.store<std::uint64_t>(kModule + 88, linear(kTables));
    ram.store<std::uint64_t>(kTables, linear(kSymbols));
    ram.store<std::uint32_t>(kTables + 8, 3);
    ram.store<std::uint64_t>(kTables + 16, linear(kNames));
    ram.text(kNames, std::string("\0data\0spin\0", 11));
    set_symbol(1, {1, 0, 0, 1, kCode, 0});  // no size: no code
    set_symbol(2, {6, 0, 0, 1, kCode + 0x10, 0x20});
  }
  void set_symbol(unsigned index, const Elf64_Sym& symbol) {
    kernel_.ram().store<Elf64_Sym>(kSymbols + index * sizeof symbol, symbol);
  }
  [[nodiscard]] std::optional<TraceFrame> at(VirtualAddress instruction,
                                             VirtualAddress stack = 0) const {
    return innermost_module_frame(kernel_.view(),
                                  {.instruction_pointer = instruction, .stack_pointer = stack});
  }

  SyntheticKernel kernel_;
};

TEST_F(ModuleCode, FindsTheFunctionOfAnInstruction) {
  const auto frame = at(kCode + 0x17);
  ASSERT_TRUE(frame);
  EXPECT_EQ(frame->function, "spin");
  EXPECT_EQ(frame->module, "lab_driver");
  EXPECT_EQ(frame->offset, 7U);
  EXPECT_EQ(frame->size, 0x20U);
  EXPECT_TRUE(frame->reliable);
  EXPECT_FALSE(frame->caller);
}

TEST_F(ModuleCode, KnowsWhereAFunctionEnds) {
  EXPECT_TRUE(at(kCode + 0x2f));
  EXPECT_FALSE(at(kCode + 0x30));
  EXPECT_FALSE(at(kCode + 0x0f));
}

TEST_F(ModuleCode, LooksForACallerOnTheStack) {
  const VirtualAddress stack = SyntheticKernel::linear(kStack);
  constexpr VirtualAddress kKernel = 0xffffffff81000000;
  EXPECT_FALSE(at(kKernel, stack + 0x100));
  kernel_.ram().store<std::uint64_t>(kStack + 0x80, kCode + 0x14);  // below: not in use
  EXPECT_FALSE(at(kKernel, stack + 0x100));
  kernel_.ram().store<std::uint64_t>(kStack + 0x4000, kCode + 0x14);  // the next stack's
  EXPECT_FALSE(at(kKernel, stack + 0x100));
  kernel_.ram().store<std::uint64_t>(kStack + 0x3ff8, kCode + 0x14);
  const auto frame = at(kKernel, stack + 0x100);
  ASSERT_TRUE(frame);
  EXPECT_EQ(frame->function, "spin");
  EXPECT_TRUE(frame->caller);
  EXPECT_FALSE(frame->reliable);
}

TEST_F(ModuleCode, SurvivesTablesThatPointNowhere) {
  kernel_.ram().store<std::uint32_t>(kTables + 8, 0xffffffff);
  EXPECT_TRUE(at(kCode + 0x17));
  EXPECT_FALSE(at(kCode + 0x5000));
  kernel_.ram().store<std::uint64_t>(kTables, 0xdead);
  EXPECT_FALSE(at(kCode + 0x17));
  kernel_.ram().store<std::uint64_t>(kModule + 8, 0x1234);
  EXPECT_FALSE(at(kCode + 0x17));
}

}  // namespace
}  // namespace zcl::vm
