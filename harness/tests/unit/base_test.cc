// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include <csignal>

#include "harness/base/process.hh"
#include "harness/base/random.hh"

namespace zcl::base {
namespace {

TEST(RunCommand, FeedsInputAndKeepsBothStreams) {
  const auto result = run_command({.argv = {"sh", "-c", "cat; echo oops >&2; exit 3"},
                                   .environment = {},
                                   .directory = "",
                                   .input = "hello"});
  EXPECT_EQ(result.output, "hello");
  EXPECT_EQ(result.error, "oops\n");
  EXPECT_EQ(result.exit_status, 3);
  EXPECT_FALSE(result.ok());
}

TEST(RunCommand, ReportsAMissingProgram) {
  EXPECT_THROW(run_command({.argv = {"/no/such/program"}}), std::system_error);
}

TEST(RunCommand, KillsAtTheTimeLimitEvenWithItsStreamsClosed) {
  Command command{.argv = {"sh", "-c", "exec >&- 2>&-; sleep 600"}};
  command.time_limit = std::chrono::seconds(1);
  const auto result = run_command(command);
  EXPECT_TRUE(result.timed_out);
  EXPECT_EQ(result.signal, SIGKILL);
}

TEST(RandomStream, IsReproducibleAndSeparatedByPurpose) {
  EXPECT_EQ(RandomStream(7, "nonce").bytes(13), RandomStream(7, "nonce").bytes(13));
  EXPECT_NE(RandomStream(7, "nonce").bytes(13), RandomStream(7, "frame").bytes(13));
  EXPECT_NE(RandomStream(7, "nonce").bytes(13), RandomStream(8, "nonce").bytes(13));
}

}  // namespace
}  // namespace zcl::base
