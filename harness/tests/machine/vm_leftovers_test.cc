// SPDX-License-Identifier: MIT
// What a machine leaves behind: nothing, however the harness ends. And what is wrong around it is
// told in a sentence.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <functional>
#include <set>
#include <string>

#include "harness/base/error.hh"
#include "harness/base/paths.hh"
#include "harness/vm/machine.hh"
#include "harness/vm/machine_template.hh"
#include "harness/vm/signal_cleanup.hh"

namespace zcl::vm {
namespace {

using ::testing::HasSubstr;

constexpr std::chrono::seconds kEnd{60};

MachineSpec machine_named(const std::string& name) {
  MachineSpec spec;
  spec.mode = Mode::speed;
  spec.accel = Accel::tcg;
  if (!name.empty()) spec.kernel_args = {"test." + name};
  return spec;
}

std::set<pid_t> children_of(pid_t parent) {
  std::set<pid_t> children;
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    const auto name = entry.path().filename().string();
    if (name.find_first_not_of("0123456789") != std::string::npos) continue;
    std::ifstream file(entry.path() / "stat");
    std::string line;
    std::getline(file, line);
    const auto after_name = line.rfind(") ");
    if (after_name == std::string::npos) continue;
    if (std::stoi(line.substr(after_name + 4)) == parent) children.insert(std::stoi(name));
  }
  return children;
}

/// All but templates, which another process may make meanwhile.
std::set<std::string> names_in_shared_memory() {
  std::set<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(base::shared_memory_root())) {
    const auto name = entry.path().filename().string();
    if (name.find(".template") == std::string::npos) names.insert(name);
  }
  return names;
}

/// Runs `body` in a process of its own; its exit status is what `body` returns.
pid_t in_child(const std::function<int()>& body) {
  const pid_t child = ::fork();
  if (child == 0) {
    int status = 99;
    try {
      status = body();
    } catch (const std::exception& error) {
      std::fprintf(stderr, "%s\n", error.what());
    }
    ::_exit(status);
  }
  return child;
}

/// A harness with a running machine, in a process of its own.
struct Harness {
  pid_t pid = -1;
  std::set<pid_t> machines;
};

Harness start_harness() {
  int ends[2];
  EXPECT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  Harness harness;
  harness.pid = in_child([&] {
    clean_up_on_signals();
    auto machine = Machine::start(machine_named(""));
    (void)::write(ends[1], "!", 1);
    for (;;) ::pause();
    return 0;
  });
  ::close(ends[1]);
  char ready = 0;
  EXPECT_EQ(::read(ends[0], &ready, 1), 1) << "the machine did not start";
  ::close(ends[0]);
  harness.machines = children_of(harness.pid);
  return harness;
}

bool exists(pid_t pid) {
  return ::kill(pid, 0) == 0;
}

class EndBySignal : public ::testing::TestWithParam<int> {};

TEST_P(EndBySignal, LeavesNothing) {
  (void)Machine::start(machine_named(""));  // the template, which may stay
  const auto before = names_in_shared_memory();
  const auto harness = start_harness();
  ASSERT_EQ(harness.machines.size(), 1U);
  ASSERT_EQ(::kill(harness.pid, GetParam()), 0);
  int status = 0;
  ASSERT_EQ(::waitpid(harness.pid, &status, 0), harness.pid);
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == GetParam());
  const base::Deadline deadline("end of QEMU", kEnd);
  for (const pid_t machine : harness.machines) {
    // After SIGKILL the kernel ends it for us, in its own time.
    while (GetParam() == SIGKILL && exists(machine) && !deadline.passed()) {
      ::poll(nullptr, 0, 10);
    }
    EXPECT_FALSE(exists(machine));
  }
  EXPECT_EQ(names_in_shared_memory(), before);
}

INSTANTIATE_TEST_SUITE_P(EverySignal, EndBySignal,
                         ::testing::Values(SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGABRT, SIGKILL));

TEST(Isolation, QemuHasNoRightsAndNoInput) {
  const auto harness = start_harness();
  ASSERT_EQ(harness.machines.size(), 1U);
  const auto proc = std::filesystem::path("/proc") / std::to_string(*harness.machines.begin());
  const auto status = base::read_text_file(proc / "status");
  if (::geteuid() == 0) {
    EXPECT_THAT(status, HasSubstr("Uid:\t65534\t65534\t65534\t65534"));
  }
  EXPECT_THAT(status, HasSubstr("Seccomp:\t2"));
  EXPECT_THAT(status, HasSubstr("CapEff:\t0000000000000000"));
  EXPECT_EQ(std::filesystem::read_symlink(proc / "fd/0"), "/dev/null");
  ::kill(harness.pid, SIGKILL);
  ::waitpid(harness.pid, nullptr, 0);
}

/// Damages the template of `spec` with `how` and expects one sentence, and then a new template.
void expect_damage_told(const MachineSpec& spec, const std::function<void(const char*)>& how) {
  (void)Machine::start(spec);
  how(template_file(spec).c_str());
  try {
    (void)Machine::start(spec);
    FAIL() << "a clone of a damaged template started";
  } catch (const EnvironmentError& error) {
    EXPECT_THAT(error.what(), HasSubstr("damaged"));
    EXPECT_THAT(error.what(), HasSubstr("run the same command again"));
  }
  auto machine = Machine::start(spec);
  EXPECT_EQ(machine.agent().get_text("/proc/sys/kernel/ostype"), "Linux");
  std::filesystem::remove(template_file(spec));
}

TEST(Template, OneFlippedBitOfItsMemoryIsTold) {
  expect_damage_told(machine_named("bit"), [](const char* path) {
    const base::FileDescriptor file(::open(path, O_RDWR | O_CLOEXEC));
    const off_t at = ::lseek(file.get(), 64 << 20, SEEK_DATA);
    char byte = 0;
    ASSERT_EQ(::pread(file.get(), &byte, 1, at), 1);
    byte = static_cast<char>(byte ^ 1);
    ASSERT_EQ(::pwrite(file.get(), &byte, 1, at), 1);
  });
}

TEST(Template, AMissingEndIsTold) {
  expect_damage_told(machine_named("end"), [](const char* path) {
    // Another process finds it so: this one has the whole file open.
    const auto size = std::filesystem::file_size(path);
    std::filesystem::copy_file(path, std::string(path) + ".short");
    std::filesystem::permissions(std::string(path) + ".short", std::filesystem::perms(0600));
    std::filesystem::resize_file(std::string(path) + ".short", size - 1);
    std::filesystem::rename(std::string(path) + ".short", path);
  });
}

TEST(Template, IsBootedOnceByTwoProcesses) {
  const auto spec = machine_named("twice");
  std::filesystem::remove(template_file(spec));
  const auto use = [&] { return Machine::start(spec).agent().get_text("/proc/uptime").empty(); };
  const pid_t one = in_child(use);
  const pid_t other = in_child(use);
  for (const pid_t child : {one, other}) {
    int status = -1;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
  }
  std::filesystem::remove(template_file(spec));
}

TEST(Environment, AFullSharedMemoryIsTold) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs the right to mount";
  const pid_t child = in_child([] {
    if (::unshare(CLONE_NEWNS) != 0 ||
        ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        ::mount("tmpfs", "/dev/shm", "tmpfs", 0, "size=64m") != 0) {
      return 77;
    }
    try {
      (void)Machine::start(machine_named(""));
      return 1;
    } catch (const EnvironmentError& error) {
      const std::string text = error.what();
      std::fprintf(stderr, "%s\n", error.what());
      return text.find("/dev/shm is full") != std::string::npos &&
                     text.find("remount") != std::string::npos
                 ? 0
                 : 2;
    }
  });
  int status = -1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFEXITED(status));
  if (WEXITSTATUS(status) == 77) GTEST_SKIP() << "needs the right to mount";
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

}  // namespace
}  // namespace zcl::vm
