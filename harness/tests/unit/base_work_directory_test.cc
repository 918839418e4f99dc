// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include "harness/base/deadline.hh"
#include "harness/base/work_directory.hh"

namespace zcl::base {
namespace {

namespace fs = std::filesystem;

const fs::path parent_directory = fs::temp_directory_path() / "zcl-test-work";

bool is_gone_soon(const fs::path& path) {
  const Deadline deadline("removal", std::chrono::seconds(60));
  while (fs::exists(path)) {
    if (deadline.passed()) return false;
    ::usleep(10'000);
  }
  return true;
}

TEST(WorkDirectory, GoesWithItsObjectAndAllThatIsInIt) {
  fs::path path;
  {
    const WorkDirectory work(parent_directory);
    path = work.path();
    fs::create_directories(path / "deep/er");
    write_file_atomically(path / "deep/er/file", std::string_view("x"));
    EXPECT_TRUE(fs::exists(path / "deep/er/file"));
  }
  EXPECT_FALSE(fs::exists(path));
}

class WorkDirectoryOfAKilledProcess : public ::testing::TestWithParam<int> {};

TEST_P(WorkDirectoryOfAKilledProcess, IsRemoved) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    ::setpgid(0, 0);
    ::signal(GetParam(), SIG_DFL);
    const WorkDirectory work(parent_directory);
    const auto path = work.path().string();
    write_file_atomically(path + "/file", std::string_view("x"));
    [[maybe_unused]] const auto put = ::write(ends[1], path.data(), path.size());
    ::pause();
    ::_exit(0);
  }
  std::string path(256, '\0');
  const auto got = ::read(ends[0], path.data(), path.size());
  ASSERT_GT(got, 0);
  path.resize(static_cast<std::size_t>(got));
  EXPECT_TRUE(fs::exists(path));
  ::kill(-child, GetParam());  // the whole group, as a terminal does
  ::waitpid(child, nullptr, 0);
  EXPECT_TRUE(is_gone_soon(path));
  ::close(ends[0]);
  ::close(ends[1]);
}

INSTANTIATE_TEST_SUITE_P(Signals, WorkDirectoryOfAKilledProcess,
                         ::testing::Values(SIGINT, SIGTERM, SIGKILL));

}  // namespace
}  // namespace zcl::base
