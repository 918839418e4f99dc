// SPDX-License-Identifier: MIT
#include "harness/base/work_directory.hh"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <system_error>

namespace zcl::base {

namespace {

/// The remover's whole life. It is in a process group of its own and ignores the signals of a
/// terminal, so that what ends us does not end it.
[[noreturn]] void remove_at_end(const std::filesystem::path& path, int end_of_parent) {
  ::setpgid(0, 0);
  for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGQUIT}) ::signal(number, SIG_IGN);
  ::dup2(end_of_parent, STDIN_FILENO);
  ::close_range(STDOUT_FILENO, ~0U, 0);
  char byte = 0;
  while (::read(STDIN_FILENO, &byte, 1) < 0 && errno == EINTR) {
  }
  // A compiler that dies with us may write a last file meanwhile.
  constexpr int kAttempts = 20;
  const timespec pause{.tv_sec = 0, .tv_nsec = 50'000'000};
  std::error_code failed;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    std::filesystem::remove_all(path, failed);
    if (!failed && !std::filesystem::exists(path, failed)) break;
    ::nanosleep(&pause, nullptr);
  }
  ::_exit(0);
}

}  // namespace

WorkDirectory::WorkDirectory(const std::filesystem::path& parent) {
  std::filesystem::create_directories(parent);
  std::string name = parent / "XXXXXX";
  if (::mkdtemp(name.data()) == nullptr) throw_system_error("mkdtemp " + name);
  path_ = name;
  int ends[2];
  check_system_call("pipe2", ::pipe2(ends, O_CLOEXEC));
  const FileDescriptor end_of_parent(ends[0]);
  alive_ = FileDescriptor(ends[1]);
  remover_ = check_system_call("fork", ::fork());
  if (remover_ == 0) remove_at_end(path_, end_of_parent.get());
  ::setpgid(remover_, remover_);  // whichever of us is first
}

WorkDirectory::~WorkDirectory() {
  alive_.reset();
  while (::waitpid(remover_, nullptr, 0) < 0 && errno == EINTR) {
  }
}

}  // namespace zcl::base
