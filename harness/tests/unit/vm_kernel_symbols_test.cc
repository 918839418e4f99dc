// SPDX-License-Identifier: MIT
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "harness/base/error.hh"
#include "harness/base/random.hh"
#include "harness/tests/unit/synthetic_btf.hh"
#include "harness/vm/kernel_symbols.hh"

namespace zcl::vm {
namespace {

const char* const kKallsyms =
    "0000000000000000 A fixed_percpu_data\n"
    "ffffffff82a15940 D init_task\n"
    "ffffffff81000000 t duplicate\n"
    "ffffffff81000040 t duplicate\n"
    "ffffffffc0201000 t e1000_clean\t[e1000]\n";

base::Bytes types() {
  test::SyntheticBtf btf;
  const int entity = btf.structure("sched_entity", 16, {{"load", 0, 0}, {"on_rq", 0, 8}});
  const int inner = btf.structure("", 16, {{"mm", 0, 8}});
  const int deep = btf.structure("", 24, {{"", inner, 8}});
  btf.structure("task_struct", 64,
                {{"state", 0, 0}, {"se", btf.alias("entity_t", entity), 16}, {"", deep, 32}});
  btf.enumeration("pageflags", {{"PG_locked", 0}, {"PG_slab", 9}});
  return btf.bytes();
}

TEST(KernelSymbols, FindsAddresses) {
  const KernelSymbols symbols(kKallsyms, types());
  EXPECT_EQ(symbols.address("init_task"), 0xffffffff82a15940U);
  EXPECT_EQ(symbols.address("e1000_clean"), 0xffffffffc0201000U);
  EXPECT_EQ(symbols.address("duplicate"), 0xffffffff81000000U);
  EXPECT_FALSE(symbols.find("init_tas"));
  EXPECT_EQ(symbols.nearest(0xffffffff81000050)->symbol, "duplicate");
  EXPECT_EQ(symbols.nearest(0xffffffff82a15941)->symbol, "init_task");
  EXPECT_EQ(symbols.nearest(0xffffffff82a15941)->distance, 1U);
  EXPECT_FALSE(symbols.nearest(0xffffffff80ffffff));
  EXPECT_FALSE(symbols.nearest(0x1000));
  try {
    (void)symbols.address("no_such_thing");
    FAIL();
  } catch (const std::out_of_range& error) {
    EXPECT_THAT(error.what(), ::testing::HasSubstr("no_such_thing"));
  }
}

TEST(KernelSymbols, FindsMembersThroughTypedefsAndAnonymousStructs) {
  const KernelSymbols symbols(kKallsyms, types());
  EXPECT_EQ(symbols.offset("task_struct", "state"), 0U);
  EXPECT_EQ(symbols.offset("task_struct", "se.on_rq"), 24U);
  EXPECT_EQ(symbols.offset("task_struct", "mm"), 48U);
  EXPECT_EQ(symbols.size("task_struct"), 64U);
  EXPECT_TRUE(symbols.has_member("task_struct", "mm"));
  EXPECT_FALSE(symbols.has_member("task_struct", "nn"));
  EXPECT_FALSE(symbols.has_member("nothing", "mm"));
  EXPECT_THROW((void)symbols.offset("task_struct", "se.nothing"), std::out_of_range);
  EXPECT_THROW((void)symbols.offset("task_struct", "state.mm"), std::out_of_range);
  EXPECT_THROW((void)symbols.offset("nothing", "mm"), std::out_of_range);
  EXPECT_THROW((void)symbols.size("nothing"), std::out_of_range);
  EXPECT_EQ(symbols.enumerator("pageflags", "PG_slab"), 9U);
  EXPECT_FALSE(symbols.enumerator("pageflags", "PG_none"));
  EXPECT_FALSE(symbols.enumerator("nothing", "PG_slab"));
}

TEST(KernelSymbols, RefusesDamage) {
  EXPECT_THROW(KernelSymbols("", types()), EnvironmentError);
  EXPECT_THROW(KernelSymbols("0000000000000000 T _text\n", types()), EnvironmentError)
      << "addresses hidden";
  EXPECT_THROW(KernelSymbols("ffffffff81000000 T\n", types()), EnvironmentError);
  EXPECT_THROW(KernelSymbols("what is this\n", types()), EnvironmentError);
  EXPECT_THROW(KernelSymbols(kKallsyms, base::Bytes{}), EnvironmentError);
  EXPECT_THROW(KernelSymbols(kKallsyms, base::Bytes(100, 0x55)), EnvironmentError);
  base::Bytes cut = types();
  cut.resize(cut.size() / 2);
  EXPECT_THROW(KernelSymbols(kKallsyms, cut), EnvironmentError);
}

}  // namespace
}  // namespace zcl::vm
