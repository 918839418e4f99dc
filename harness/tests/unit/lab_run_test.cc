// SPDX-License-Identifier: MIT
// Running checks and experiments of the tiny lab. Its procedures start no machine.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>

#include "harness/base/error.hh"
#include "harness/lab/job_pool.hh"
#include "harness/lab/repetition.hh"
#include "harness/lab/run.hh"
#include "harness/lab/session.hh"
#include "harness/tests/unit/lab_fixture.hh"
#include "harness/vm/guest_fault.hh"

namespace zcl::lab {
namespace {

using report::CheckStatus;
using ::testing::HasSubstr;

/// What the tiny lab's checks do, set by each test before they run (each in a child of ours).
std::map<std::string, std::function<void(CheckContext&)>> behaviour;

void behave(CheckContext& context) {
  const auto found = behaviour.find(context.check().id);
  if (found != behaviour.end()) found->second(context);
}

void draw(ExperimentContext& context) {
  const auto sides = context.experiment().parameters.at("sides").get<std::uint64_t>();
  const auto drawn = static_cast<double>(context.random().below(1000 * sides));
  context.metric("matches", drawn, {{"kind", "drawn"}});
  context.transcript("drew\033[31m");
  context.verdict(drawn < 3000 ? report::ClaimVerdict::confirmed : report::ClaimVerdict::refuted,
                  "A number was drawn.");
}

void give_no_verdict(ExperimentContext& /*context*/) {}

const Procedures procedures{
    "99_tiny",
    {{"draw", draw}, {"silent", give_no_verdict}},
    {{"99.first", behave}, {"99.second", behave}, {"99.third", behave}, {"99.alone", behave}}};

class RunTinyLab : public ::testing::Test {
 protected:
  RunTinyLab() { behaviour.clear(); }

  std::map<std::string, report::CheckResult> run(const std::vector<std::string>& only = {}) {
    std::map<std::string, report::CheckResult> results;
    for (const auto& result : run_checks(built_, options_, progress_, only)) {
      results[result.id] = result;
    }
    return results;
  }

  BuiltLab built_{.lab = tiny_lab(), .tree = tiny_lab_folder().parent_path(), .log = {}};
  RunOptions options_;
  base::Progress progress_{"test", 4, true};
};

TEST_F(RunTinyLab, GivesPointsForWhatPasses) {
  behaviour["99.first"] = [](CheckContext& context) {
    context.observed(
        "seen \x9b"
        "1m");
  };
  const auto results = run();
  ASSERT_EQ(results.size(), 4U);
  for (const auto& [id, result] : results) {
    EXPECT_EQ(result.status, CheckStatus::passed) << id;
    EXPECT_EQ(result.points, result.max_points);
  }
  EXPECT_EQ(results.at("99.first").message,
            "seen \xEF\xBF\xBD"
            "1m");
  EXPECT_EQ(results.at("99.alone").evidence, report::Evidence::guest);
}

TEST_F(RunTinyLab, SkipsWhatNeedsAFailedCheckAndShowsTheHint) {
  behaviour["99.first"] = [](CheckContext&) { CheckContext::require(false, "No greeting."); };
  const auto results = run();
  EXPECT_EQ(results.at("99.first").status, CheckStatus::failed);
  EXPECT_EQ(results.at("99.first").points, 0U);
  EXPECT_EQ(results.at("99.first").message, "No greeting.\nHint: Try.");
  EXPECT_EQ(results.at("99.second").status, CheckStatus::skipped);
  EXPECT_EQ(results.at("99.third").status, CheckStatus::skipped);
  EXPECT_EQ(results.at("99.third").message, "It needs 99.second, which did not pass.");
  EXPECT_EQ(results.at("99.alone").status, CheckStatus::passed);
}

TEST_F(RunTinyLab, TellsAFaultOfTheGuestWithItsConsole) {
  behaviour["99.first"] = [](CheckContext&) {
    throw vm::GuestFault({.kind = vm::FaultKind::oops,
                          .summary = "BUG: kernel NULL pointer dereference",
                          .console_tail = "last words\n",
                          .trace = {}});
  };
  const auto result = run().at("99.first");
  EXPECT_EQ(result.status, CheckStatus::failed);
  EXPECT_THAT(result.message, HasSubstr("NULL pointer dereference"));
  EXPECT_THAT(result.message, HasSubstr("last words"));
}

TEST_F(RunTinyLab, BlamesTheEnvironmentAndNotTheWork) {
  behaviour["99.first"] = [](CheckContext&) { throw EnvironmentError("No room in /dev/shm."); };
  behaviour["99.alone"] = [](CheckContext&) { throw std::logic_error("a slip of ours"); };
  const auto results = run();
  EXPECT_EQ(results.at("99.first").status, CheckStatus::environment);
  EXPECT_EQ(results.at("99.first").message, "No room in /dev/shm.");
  EXPECT_EQ(results.at("99.second").status, CheckStatus::environment);
  EXPECT_EQ(results.at("99.alone").status, CheckStatus::environment);
  EXPECT_EQ(results.at("99.alone").points, 0U);
}

TEST_F(RunTinyLab, SurvivesACrashOfItsOwnProcedure) {
  behaviour["99.first"] = [](CheckContext&) {
    std::signal(SIGKILL, SIG_DFL);
    ::kill(::getpid(), SIGKILL);
  };
  const auto result = run().at("99.first");
  EXPECT_EQ(result.status, CheckStatus::environment);
  EXPECT_THAT(result.message, HasSubstr("Signal 9"));
}

TEST_F(RunTinyLab, EndsACheckAtItsTimeLimit) {
  built_.lab.checks[1].time_limit = std::chrono::seconds(1);
  behaviour["99.second"] = [](CheckContext&) { ::pause(); };
  const auto result = run({"99.second"}).at("99.second");
  EXPECT_EQ(result.status, CheckStatus::failed);
  EXPECT_THAT(result.message, HasSubstr("time limit of 1 seconds"));
}

TEST_F(RunTinyLab, RunsOnlyWhatIsAskedForAndWhatThatNeeds) {
  const auto results = run({"99.second"});
  EXPECT_EQ(results.size(), 2U);
  EXPECT_TRUE(results.contains("99.first"));
  EXPECT_THROW(run({"99.fifth"}), UsageError);
}

TEST_F(RunTinyLab, RepeatsWithOtherSeedsUntilOneFails) {
  options_.repeat = 5;
  options_.seed = 10;
  behaviour["99.first"] = [](CheckContext& context) {
    CheckContext::require(context.options().seed != 12, "Twelve.");
  };
  const auto result = run().at("99.first");
  EXPECT_EQ(result.status, CheckStatus::failed);
  EXPECT_THAT(result.message, HasSubstr("In run 3 of 5 (seed 12): Twelve."));
}

TEST_F(RunTinyLab, KeepsTheOrderOfExperimentsAndNamesWhatFailed) {
  const auto outcomes = run_experiments(built_, built_.lab.experiments, options_, progress_);
  ASSERT_EQ(outcomes.size(), 2U);
  EXPECT_EQ(outcomes[0].result.id, "draw");
  EXPECT_TRUE(outcomes[0].error.empty());
  EXPECT_EQ(outcomes[0].result.transcript, "drew\xEF\xBF\xBD[31m");
  EXPECT_EQ(outcomes[0].result.metrics.at(0).unit, "runs");
  EXPECT_THAT(outcomes[1].error, HasSubstr("no verdict on the claim of silent"));
  EXPECT_EQ(outcomes[1].result.claim.verdict, report::ClaimVerdict::not_testable);
  EXPECT_THROW(run_experiment(built_, built_.lab.experiments[1], options_), EnvironmentError);
}

TEST_F(RunTinyLab, DrawsTheSameNumbersForTheSameSeed) {
  const auto& experiment = built_.lab.experiments[0];
  const auto once = run_experiment(built_, experiment, options_).metrics.at(0).value;
  EXPECT_EQ(run_experiment(built_, experiment, options_).metrics.at(0).value, once);
  options_.seed = 2;
  EXPECT_NE(run_experiment(built_, experiment, options_).metrics.at(0).value, once);
}

TEST_F(RunTinyLab, MergesRepeatedRuns) {
  options_.repeat = 11;
  const auto result = run_experiment(built_, built_.lab.experiments[0], options_);
  const auto& metric = result.metrics.at(0);
  EXPECT_EQ(metric.samples.size(), 11U);
  EXPECT_EQ(metric.value, median(metric.samples));
  ASSERT_TRUE(metric.interval);
  EXPECT_LE(metric.interval->first, metric.value);
  EXPECT_GE(metric.interval->second, metric.value);
  EXPECT_EQ(result.claim.verdict, report::ClaimVerdict::qualified);  // some drew less, some more
  EXPECT_THAT(result.claim.because, HasSubstr("of 11 runs"));
}

TEST(ExperimentContext, RefusesWhatTheVocabularyDoesNotHave) {
  const BuiltLab built{.lab = tiny_lab(), .tree = {}, .log = {}};
  const RunOptions options;
  ExperimentContext context(built, built.lab.experiments[0], options);
  EXPECT_THROW(context.metric("packets_per_fortnight", 1), std::logic_error);
  EXPECT_THROW(context.metric("matches", std::numeric_limits<double>::quiet_NaN()),
               std::logic_error);
  context.verdict(report::ClaimVerdict::confirmed, "So it is.");
  EXPECT_THROW(context.verdict(report::ClaimVerdict::refuted, "Or not."), std::logic_error);
}

TEST(JobPool, NeverRunsAnythingBesideAJobThatMeasuresTime) {
  JobPool pool(2);
  const Job quiet{.name = "quiet", .alone = true, .work = [] { return 1; }};
  const Job other{.name = "other", .work = [] { return 2; }};
  EXPECT_TRUE(pool.has_room_for(quiet));
  pool.start(0, other);
  EXPECT_TRUE(pool.has_room_for(other));
  EXPECT_FALSE(pool.has_room_for(quiet));
  EXPECT_EQ(pool.wait().second.value, 2);
  pool.start(1, quiet);
  EXPECT_FALSE(pool.has_room_for(other));
  EXPECT_EQ(pool.wait().second.value, 1);
  EXPECT_TRUE(pool.idle());
}

TEST(JobPool, CarriesLargeResultsWhole) {
  JobPool pool(2);
  pool.start(7, {.name = "large", .work = [] { return std::string(1 << 20, 'x'); }});
  const auto [key, outcome] = pool.wait();
  EXPECT_EQ(key, 7U);
  EXPECT_EQ(outcome.value.get<std::string>().size(), 1U << 20);
}

TEST(Median, OfEvenAndOddCounts) {
  EXPECT_EQ(median({3, 1, 2}), 2);
  EXPECT_EQ(median({4, 1, 2, 3}), 2.5);
  EXPECT_THROW(median({}), std::invalid_argument);
}

TEST(BootstrapInterval, HoldsTheMedianAndRepeats) {
  const std::vector<double> samples = {1, 2, 3, 4, 5, 6, 7, 8, 100};
  const auto interval = bootstrap_interval(samples);
  EXPECT_LE(interval.first, 5);
  EXPECT_GE(interval.second, 5);
  EXPECT_LT(interval.second, 100);
  EXPECT_EQ(bootstrap_interval(samples), interval);
}

}  // namespace
}  // namespace zcl::lab
