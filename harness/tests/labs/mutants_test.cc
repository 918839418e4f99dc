// SPDX-License-Identifier: MIT
// Every scored check has a mutant that fails it, and each mutant loses exactly what it should.
#include <gtest/gtest.h>

#include <cctype>
#include <set>

#include "harness/base/paths.hh"
#include "harness/base/work_directory.hh"
#include "harness/grade/grade.hh"
#include "harness/grade/mutant.hh"
#include "harness/tests/labs/lab_printer.hh"

namespace zcl::grade {
namespace {

struct LabMutant {
  lab::Lab lab;
  Mutant mutant;
};

std::vector<LabMutant> all_mutants() {
  std::vector<LabMutant> result;
  for (const auto& lab : lab::load_all_labs()) {
    for (const auto& mutant : load_mutants(lab)) result.push_back({lab, mutant});
  }
  return result;
}

void PrintTo(const LabMutant& mutant, std::ostream* stream) {
  *stream << mutant.lab.id << "/" << mutant.mutant.name;
}

class EachMutant : public testing::TestWithParam<LabMutant> {};

TEST_P(EachMutant, LosesExactlyWhatItShould) {
  const auto& [lab, mutant] = GetParam();
  const base::WorkDirectory directory(base::build_root() / "tests");
  write_mutant(lab, mutant, directory.path());
  base::Progress progress(mutant.name, lab.checks.size(), true);
  const auto grade =
      grade_submission(lab, directory.path(), {}, progress, Control::skip, Confinement::none);
  EXPECT_EQ(grade.build_error, "");
  const std::set<std::string> expected(mutant.loses.begin(), mutant.loses.end());
  for (const auto& check : grade.checks) {
    EXPECT_NE(check.status, report::CheckStatus::environment) << check.id << ": " << check.message;
    EXPECT_EQ(check.status != report::CheckStatus::passed, expected.contains(check.id))
        << check.id << " " << report::to_string(check.status) << ": " << check.message
        << "\nmistake: " << mutant.mistake;
  }
}

INSTANTIATE_TEST_SUITE_P(Mutants, EachMutant, testing::ValuesIn(all_mutants()),
                         [](const auto& tested) {
                           std::string name = tested.param.lab.id + "_" + tested.param.mutant.name;
                           for (auto& c : name) {
                             if (std::isalnum(static_cast<unsigned char>(c)) == 0) c = '_';
                           }
                           return name;
                         });
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(EachMutant);

class MutantsOfEachLab : public testing::TestWithParam<lab::Lab> {};

TEST_P(MutantsOfEachLab, CoverEveryScoredCheck) {
  std::set<std::string> lost;
  for (const auto& mutant : load_mutants(GetParam())) {
    lost.insert(mutant.loses.begin(), mutant.loses.end());
  }
  for (const auto& check : GetParam().checks) {
    if (check.points > 0) {
      EXPECT_TRUE(lost.contains(check.id)) << check.id << " has no mutant";
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Labs, MutantsOfEachLab, testing::ValuesIn(lab::load_all_labs()),
                         [](const auto& tested) { return tested.param.id; });

}  // namespace
}  // namespace zcl::grade
