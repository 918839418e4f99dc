// SPDX-License-Identifier: MIT
// Every verdict 20 times in a row, in both modes and with one and two CPUs by turns.
#include "harness/tests/machine/fault_corpus.hh"

namespace zcl::vm::testing_faults {
namespace {

constexpr int kRepetitions = 20;

class FaultCorpus : public testing::TestWithParam<FaultCase> {};

TEST_P(FaultCorpus, IsRightTwentyTimesInARow) {
  const BuiltFault built(GetParam().module);
  for (int i = 0; i < kRepetitions; ++i) {
    SCOPED_TRACE("repetition " + std::to_string(i));
    MachineSpec spec;
    spec.mode = i % 2 == 0 ? Mode::count : Mode::speed;
    spec.cpus = i % 4 == 3 ? 2 : 1;
    expect_right(GetParam(), provoke(GetParam(), built, spec));
    if (HasFailure()) return;
  }
}

INSTANTIATE_TEST_SUITE_P(Soak, FaultCorpus, testing::ValuesIn(fault_corpus()),
                         [](const auto& each) { return each.param.module; });

}  // namespace
}  // namespace zcl::vm::testing_faults
