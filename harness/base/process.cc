// SPDX-License-Identifier: MIT
#include "harness/base/process.hh"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>

#include "harness/base/deadline.hh"
#include "harness/base/file_descriptor.hh"

extern char** environ;

namespace zcl::base {

namespace {

struct Pipe {
  FileDescriptor read_end;
  FileDescriptor write_end;
};

Pipe make_pipe() {
  int ends[2];
  check_system_call("pipe2", ::pipe2(ends, O_CLOEXEC));
  return {FileDescriptor(ends[0]), FileDescriptor(ends[1])};
}

std::vector<std::string> merged_environment(const std::map<std::string, std::string>& added) {
  std::vector<std::string> result;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string text = *entry;
    if (!added.contains(text.substr(0, text.find('=')))) result.push_back(text);
  }
  for (const auto& [name, value] : added) result.push_back(name + "=" + value);
  return result;
}

std::vector<char*> pointers(std::vector<std::string>& strings) {
  std::vector<char*> result;
  for (auto& text : strings) result.push_back(text.data());
  result.push_back(nullptr);
  return result;
}

/// Appends what can be read to `text` up to `limit` bytes; closes `fd` at end of file.
void drain(FileDescriptor& fd, std::string& text, std::size_t limit) {
  std::array<char, 65536> buffer;
  const ssize_t got = ::read(fd.get(), buffer.data(), buffer.size());
  if (got < 0 && errno == EINTR) return;
  if (got <= 0) {
    fd.reset();
    return;
  }
  text.append(buffer.data(), std::min(static_cast<std::size_t>(got), limit - text.size()));
}

void feed(FileDescriptor& fd, std::string_view& input) {
  const ssize_t put = ::write(fd.get(), input.data(), input.size());
  if (put < 0 && (errno == EINTR || errno == EAGAIN)) return;
  if (put > 0) input.remove_prefix(static_cast<std::size_t>(put));
  if (put < 0 || input.empty()) fd.reset();
}

}  // namespace

CommandResult run_command(const Command& command) {
  const Deadline deadline("command " + command.argv.at(0), command.time_limit);
  Pipe in = make_pipe();
  Pipe out = make_pipe();
  Pipe err = make_pipe();
  Pipe failure = make_pipe();  // carries errno of a failed exec; closed by a successful one
  auto argument_strings = command.argv;
  const auto arguments = pointers(argument_strings);
  auto environment_strings = merged_environment(command.environment);
  const auto environment = pointers(environment_strings);

  const pid_t child = check_system_call("fork", ::fork());
  if (child == 0) {
    ::setpgid(0, 0);
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    sigset_t none;
    ::sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    ::signal(SIGPIPE, SIG_DFL);
    ::dup2(in.read_end.get(), STDIN_FILENO);
    ::dup2(out.write_end.get(), STDOUT_FILENO);
    ::dup2(err.write_end.get(), STDERR_FILENO);
    if (command.directory.empty() || ::chdir(command.directory.c_str()) == 0) {
      ::execvpe(arguments[0], arguments.data(), environment.data());
    }
    const int reason = errno;
    [[maybe_unused]] const ssize_t ignored =
        ::write(failure.write_end.get(), &reason, sizeof reason);
    ::_exit(127);
  }
  ::setpgid(child, child);
  in.read_end.reset();
  out.write_end.reset();
  err.write_end.reset();
  failure.write_end.reset();

  int reason = 0;
  if (::read(failure.read_end.get(), &reason, sizeof reason) == sizeof reason) {
    ::waitpid(child, nullptr, 0);
    errno = reason;
    throw_system_error("cannot run " + command.argv[0]);
  }

  CommandResult result;
  std::string_view input = command.input;
  ::fcntl(in.write_end.get(), F_SETFL, O_NONBLOCK);
  if (input.empty()) in.write_end.reset();
  while (out.read_end.valid() || err.read_end.valid()) {
    std::array<pollfd, 3> waits = {pollfd{out.read_end.get(), POLLIN, 0},
                                   pollfd{err.read_end.get(), POLLIN, 0},
                                   pollfd{in.write_end.get(), POLLOUT, 0}};
    if (::poll(waits.data(), waits.size(), deadline.poll_timeout()) < 0 && errno != EINTR) break;
    if (deadline.passed()) {
      result.timed_out = true;
      break;
    }
    if (waits[0].revents != 0) drain(out.read_end, result.output, command.output_limit);
    if (waits[1].revents != 0) drain(err.read_end, result.error, command.output_limit);
    if (in.write_end.valid() && waits[2].revents != 0) feed(in.write_end, input);
  }
  // It may have closed its streams and still run.
  const FileDescriptor exited(static_cast<int>(::syscall(SYS_pidfd_open, child, 0)));
  pollfd wait_exit = {exited.get(), POLLIN, 0};
  while (!result.timed_out && wait_exit.revents == 0) {
    ::poll(&wait_exit, 1, deadline.poll_timeout());
    result.timed_out = wait_exit.revents == 0 && deadline.passed();
  }
  if (result.timed_out) ::kill(-child, SIGKILL);
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  ::kill(-child, SIGKILL);  // whatever it left in its group
  if (WIFEXITED(status)) result.exit_status = WEXITSTATUS(status);
  if (WIFSIGNALED(status)) result.signal = WTERMSIG(status);
  return result;
}

}  // namespace zcl::base
