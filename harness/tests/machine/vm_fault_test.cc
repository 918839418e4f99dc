// SPDX-License-Identifier: MIT
// Each way in which a guest can end badly is told from the others, once.
#include "harness/tests/machine/fault_corpus.hh"

namespace zcl::vm::testing_faults {
namespace {

class FaultCorpus : public testing::TestWithParam<FaultCase> {};

TEST_P(FaultCorpus, IsToldFromTheOthers) {
  const BuiltFault built(GetParam().module);
  expect_right(GetParam(), provoke(GetParam(), built));
}

INSTANTIATE_TEST_SUITE_P(Machine, FaultCorpus, testing::ValuesIn(fault_corpus()),
                         [](const auto& each) { return each.param.module; });

TEST(Faults, AQuietGuestAlarmsNobody) {
  auto machine = Machine::start({});
  machine.agent().ping(base::Deadline("ping", std::chrono::seconds(60)));
  machine.check_alive();
  EXPECT_FALSE(machine.alarming());
}

TEST(Faults, AWarningAlarmsButDoesNotEndTheMachine) {
  const BuiltFault built("fault_warning");
  auto machine = Machine::start({});
  machine.know_module("fault_warning", built.object());
  machine.agent().put_file("/tmp/fault.ko", base::read_file(built.object()));
  machine.agent().load_module("/tmp/fault.ko");
  const auto alarm = machine.alarming();
  ASSERT_TRUE(alarm);
  expect_right({"fault_warning", FaultKind::warning, "fault_warning_init"}, *alarm);
  machine.agent().unload_module("fault_warning");
  machine.check_alive();
}

}  // namespace
}  // namespace zcl::vm::testing_faults
