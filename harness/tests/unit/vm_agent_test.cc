// SPDX-License-Identifier: MIT
// The host's client against the real agent, which serves a socket as an ordinary process.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>

#include "harness/base/paths.hh"
#include "harness/base/random.hh"
#include "harness/vm/agent_client.hh"
#include "harness/vm/agent_connection.hh"
#include "harness/vm/guest_shell.hh"

namespace zcl::vm {
namespace {

using std::chrono::seconds;

base::Deadline soon(const std::string& what = "test") {
  return {what, seconds(60)};
}

/// An agent as a child process, and a client that talks to it.
class AgentTest : public testing::Test {
 protected:
  void SetUp() override {
    auto [ours, theirs] = base::socket_pair();
    const std::string agent = base::build_root() / "zcl_agent";
    if (!std::filesystem::exists(agent)) GTEST_SKIP() << "no agent in this build tree";
    const std::string number = std::to_string(theirs.get());
    pid_ = ::fork();
    if (pid_ == 0) {
      ::fcntl(theirs.get(), F_SETFD, 0);
      ::execl(agent.c_str(), agent.c_str(), "--descriptor", number.c_str(), nullptr);
      ::_exit(127);
    }
    raw_ = ours.get();
    connection_ = std::make_shared<AgentConnection>(std::move(ours), nullptr);
    client_ = std::make_unique<AgentClient>(connection_);
    directory_ =
        std::filesystem::temp_directory_path() / ("zcl_agent_test." + std::to_string(pid_));
    std::filesystem::create_directory(directory_);
  }
  void TearDown() override {
    if (pid_ <= 0) return;
    connection_->detach();
    int status = 0;
    ::waitpid(pid_, &status, 0);
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << "the agent died: " << status;
    std::filesystem::remove_all(directory_);
  }
  void synchronise() { EXPECT_THAT(connection_->synchronise(soon()), testing::IsEmpty()); }
  void send_raw(base::ByteView bytes) {
    ASSERT_EQ(::send(raw_, bytes.data(), bytes.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(bytes.size()));
  }

  pid_t pid_ = -1;
  int raw_ = -1;
  std::shared_ptr<AgentConnection> connection_;
  std::unique_ptr<AgentClient> client_;
  std::filesystem::path directory_;
};

TEST_F(AgentTest, CarriesLargeFilesBothWays) {
  synchronise();
  const auto content = base::RandomStream(1, "file").bytes(3'000'001);
  const std::string path = directory_ / "deep" / "file";
  client_->put_file(path, content, 0700);
  EXPECT_EQ(client_->get_file(path), content);
  EXPECT_EQ(std::filesystem::status(path).permissions(), std::filesystem::perms::owner_all);
  client_->put_file(path, {});
  EXPECT_TRUE(client_->get_file(path).empty());
}

TEST_F(AgentTest, RefusesAFileLargerThanTheLimit) {
  synchronise();
  const std::string path = directory_ / "file";
  client_->put_file(path, base::Bytes(1000));
  EXPECT_EQ(client_->get_file(path, 1000).size(), 1000U);
  try {
    client_->get_file(path, 999);
    FAIL() << "no error";
  } catch (const GuestError& error) {
    EXPECT_EQ(error.error_number(), EFBIG);
  }
}

TEST_F(AgentTest, ReadsAndWritesTextAndCarriesErrno) {
  synchronise();
  const std::string path = directory_ / "text";
  client_->put_file(path, {});
  client_->write_text(path, "42\n");
  EXPECT_EQ(client_->get_text(path), "42");
  EXPECT_THAT(client_->get_text("/proc/self/stat"), testing::HasSubstr("zcl_agent"));
  try {
    client_->get_text(directory_ / "none");
    FAIL() << "no error";
  } catch (const GuestError& error) {
    EXPECT_EQ(error.error_number(), ENOENT);
    EXPECT_THAT(error.what(), testing::HasSubstr("none"));
  }
}

TEST_F(AgentTest, RunsAProgram) {
  synchronise();
  ProgramRequest request{.argv = {"/bin/sh", "-c", "cat; echo $NAME >&2; pwd >&2; exit 3"}};
  request.environment = {{"NAME", "value"}};
  request.input = std::string(700'000, 'x');  // three pieces
  const auto result = client_->run(request);
  EXPECT_EQ(result.output, request.input);
  EXPECT_THAT(result.error, testing::StartsWith("value\n"));
  EXPECT_EQ(result.exit_status, 3);
  EXPECT_GT(result.minor_faults, 0U);
  EXPECT_FALSE(result.timed_out);
}

TEST_F(AgentTest, RunsAsAnotherUser) {
  if (::getuid() != 0) GTEST_SKIP() << "needs root";
  synchronise();
  const auto result =
      client_->run({.argv = {"/usr/bin/id", "-u"}, .environment = {}, .input = "", .uid = 65534});
  EXPECT_EQ(result.output, "65534\n");
}

TEST_F(AgentTest, ReportsAProgramThatCannotBeRun) {
  synchronise();
  try {
    client_->run({.argv = {"/no/such/program"}});
    FAIL() << "no error";
  } catch (const GuestError& error) {
    EXPECT_EQ(error.error_number(), ENOENT);
  }
}

TEST_F(AgentTest, ReportsTheSignalThatEndedAProgram) {
  synchronise();
  EXPECT_EQ(client_->run({.argv = {"/bin/sh", "-c", "kill -SEGV $$"}}).signal, SIGSEGV);
}

TEST_F(AgentTest, KillsTheWholeGroupAtTheTimeLimit) {
  synchronise();
  ProgramRequest request{.argv = {"/bin/sh", "-c", "echo begun; sleep 600 & sleep 600"}};
  request.time_limit = seconds(1);
  const auto result = client_->run(request);
  EXPECT_TRUE(result.timed_out);
  EXPECT_EQ(result.signal, SIGKILL);
  EXPECT_EQ(result.output, "begun\n");
}

TEST_F(AgentTest, EndsWithTheProgramThoughAChildHoldsItsStreams) {
  synchronise();
  const auto result = client_->run({.argv = {"/bin/sh", "-c", "sleep 600 & echo done"}});
  EXPECT_EQ(result.output, "done\n");
  EXPECT_TRUE(result.ok());
}

TEST_F(AgentTest, AnUnreadInputHoldsNothingUp) {
  synchronise();
  ProgramRequest request{.argv = {"/bin/sh", "-c", "exec <&-; echo done"}};
  request.input = std::string(2'000'000, 'x');
  EXPECT_EQ(client_->run(request).output, "done\n");
}

TEST_F(AgentTest, KeepsNoMoreOutputThanTheLimit) {
  synchronise();
  ProgramRequest request{.argv = {"/bin/sh", "-c", "yes | head -c 3000000; yes | head -c 99 >&2"}};
  request.output_limit = 400'000;
  const auto result = client_->run(request);
  EXPECT_EQ(result.output.size(), 400'000U);
  EXPECT_EQ(result.error.size(), 99U);
}

TEST_F(AgentTest, TalksToABackgroundProgramLineByLine) {
  synchronise();
  auto process = client_->start({.argv = {"/bin/sh", "-c", "while read x; do echo got $x; done"}});
  process.write_input("one\ntwo\n");
  EXPECT_EQ(process.read_line(soon()), "got one");
  EXPECT_EQ(process.read_line(soon()), "got two");
  process.write_input("three\n");
  EXPECT_EQ(process.read_line(soon()), "got three");
  process.close_input();
  EXPECT_THROW(process.read_line(soon()), GuestError);
  EXPECT_TRUE(process.wait(soon()).ok());
}

TEST_F(AgentTest, SignalsABackgroundProgram) {
  synchronise();
  auto process = client_->start({.argv = {"/bin/sh", "-c",
                                          "trap 'echo caught; exit 5' TERM; echo ready; while "
                                          ":; do sleep 0.05; done"}});
  EXPECT_EQ(process.read_line(soon()), "ready");
  process.send_signal(SIGTERM);
  const auto result = process.wait(soon());
  EXPECT_THAT(result.output, testing::HasSubstr("caught"));
}

TEST_F(AgentTest, KillsAForgottenProgram) {
  synchronise();
  int pid = 0;
  {
    auto process = client_->start({.argv = {"/bin/sleep", "600"}});
    pid = process.pid();
    EXPECT_EQ(::kill(pid, 0), 0);
  }
  client_->ping(soon());
  const base::Deadline deadline = soon();
  while (::kill(pid, 0) == 0 && !deadline.passed()) client_->ping(soon());
  EXPECT_NE(::kill(pid, 0), 0);
}

/// A terminal session whose user types `typed`.
std::pair<int, std::string> session(AgentConnection& connection, const std::string& typed) {
  auto [keyboard, typist] = base::socket_pair();
  auto [screen, reader] = base::socket_pair();
  EXPECT_EQ(::send(typist.get(), typed.data(), typed.size(), 0),
            static_cast<ssize_t>(typed.size()));
  const int status = relay_terminal(connection, {"/bin/sh", "-i"}, {keyboard.get(), screen.get()});
  std::string shown(65536, '\0');
  const ssize_t got = ::recv(reader.get(), shown.data(), shown.size(), MSG_DONTWAIT);
  shown.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
  return {status, shown};
}

TEST_F(AgentTest, RelaysATerminal) {
  synchronise();
  const auto [status, shown] = session(*connection_, "tty && stty size; exit 3\n");
  EXPECT_EQ(status, 3);
  EXPECT_THAT(shown, testing::HasSubstr("/dev/pts/"));
  EXPECT_THAT(shown, testing::HasSubstr("24 80"));
}

TEST_F(AgentTest, LeavesATerminalThatDoesNotEnd) {
  synchronise();
  EXPECT_EQ(session(*connection_, "sleep 600\n\x1d").first, 0);
  client_->ping(soon());
}

TEST_F(AgentTest, StaysAtWorkWhileAnotherRequestSleeps) {
  synchronise();
  const auto before = client_->monotonic_ns();
  client_->sleep_ns(30'000'000);
  EXPECT_GE(client_->monotonic_ns() - before, 30'000'000U);
}

TEST_F(AgentTest, AStaleConversationDoesNotConfuseANewOne) {
  // Half a frame, rubbish, and a whole old request stand in the port when the connection begins.
  const auto old = guest::encode_frame({{"id", 7U}, {"op", "ping"}});
  auto half = guest::encode_frame({{"id", 8U}, {"op", "get_text"}, {"path", "/"}});
  half.resize(half.size() / 2);
  send_raw(old);
  send_raw(base::RandomStream(3, "rubbish").bytes(1000));
  synchronise();
  client_->ping(soon());
}

TEST_F(AgentTest, HelloEndsWhatAnEarlierHostHadBegun) {
  synchronise();
  auto process = client_->start({.argv = {"/bin/sleep", "600"}});
  synchronise();
  const base::Deadline deadline = soon();
  while (::kill(process.pid(), 0) == 0 && !deadline.passed()) client_->ping(soon());
  EXPECT_NE(::kill(process.pid(), 0), 0);
}

TEST_F(AgentTest, SurvivesMangledRequests) {
  // Also proves that it answers afterwards, and TearDown() that it did not crash.
  synchronise();
  base::RandomStream random(11, "mangle");
  const std::vector<nlohmann::json> seeds = {
      {{"id", 1U}, {"op", "ping"}},
      {{"id", 2U}, {"op", "get"}, {"path", "/proc/version"}, {"offset", 0U}, {"size", 100U}},
      {{"id", 3U}, {"op", "signal"}, {"handle", 99U}, {"signal", 9U}},
      {{"id", 4U}, {"op", "interface_at"}, {"slot", "03.0"}},
      {{"id", 5U}, {"op", "input"}, {"handle", 1U}, {"data", guest::binary({1, 2, 3})}},
      {{"id", 6U}, {"op", "resize"}, {"handle", 1U}, {"rows", 1U}, {"columns", 1U}},
  };
  for (int round = 0; round < 3000; ++round) {
    auto frame = guest::encode_frame(seeds[random.below(seeds.size())]);
    const auto flips = 1 + random.below(4);
    for (std::uint64_t i = 0; i < flips; ++i) {
      // Lengths too, but rarely: a large one swallows what follows it.
      const auto header = guest::kFrameHeader;
      const auto at = random.below(20) == 0 ? random.below(frame.size())
                                            : header + random.below(frame.size() - header);
      // The middle bytes of the two lengths make them large, yet not too large to be believed.
      if (at == 5 || at == 6 || at == 9 || at == 10) continue;
      frame[at] = static_cast<std::uint8_t>(random.next());
    }
    send_raw(frame);
    if (round % 100 == 0) {
      // What a mangled length still waits for.
      send_raw(base::Bytes(70'000));
      client_->ping(soon());
    }
  }
  send_raw(base::Bytes(70'000));
  client_->ping(soon());
}

}  // namespace
}  // namespace zcl::vm
