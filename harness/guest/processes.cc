// SPDX-License-Identifier: MIT
#include "harness/guest/processes.hh"

#include <fcntl.h>
#include <grp.h>
#include <pty.h>
#include <sys/ioctl.h>
#include <sys/wait.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>

#include "harness/guest/files.hh"
#include "harness/guest/protocol.hh"
#include "harness/guest/request_error.hh"

namespace zcl::guest {

namespace {

struct Pipe {
  Descriptor read_end;
  Descriptor write_end;
};

Pipe make_pipe() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) < 0) refuse("pipe");
  return {Descriptor(ends[0]), Descriptor(ends[1])};
}

void set_nonblocking(int fd) {
  ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) | O_NONBLOCK);
}

/// What the agent had changed for itself and a child must not have.
void become_ordinary_child() {
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::signal(SIGPIPE, SIG_DFL);
}

void set_out_of_memory_score(const char* score) {
  const int fd = ::open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
  if (fd < 0) return;
  [[maybe_unused]] const ssize_t ignored = ::write(fd, score, std::strlen(score));
  ::close(fd);
}

std::vector<char*> pointers(const std::vector<std::string>& strings) {
  std::vector<char*> result;
  for (const auto& text : strings) result.push_back(const_cast<char*>(text.c_str()));
  result.push_back(nullptr);
  return result;
}

bool become_user(unsigned uid) {
  if (uid == 0) return true;
  return ::setgroups(0, nullptr) == 0 && ::setgid(uid) == 0 && ::setuid(uid) == 0;
}

struct Ends {
  Pipe in, out, err;
  Descriptor master, slave;
};

Ends make_ends(const ProgramStart& start) {
  Ends ends;
  if (start.terminal) {
    int master = -1;
    int slave = -1;
    const winsize size = {start.rows, start.columns, 0, 0};
    if (::openpty(&master, &slave, nullptr, nullptr, &size) < 0) refuse("open a terminal");
    ends.master = Descriptor(master);
    ends.slave = Descriptor(slave);
    ::fcntl(master, F_SETFD, FD_CLOEXEC);
    ::fcntl(slave, F_SETFD, FD_CLOEXEC);
    return ends;
  }
  ends.in = make_pipe();
  ends.out = make_pipe();
  ends.err = make_pipe();
  return ends;
}

[[noreturn]] void run_child(const ProgramStart& start, const Ends& ends,
                            const Descriptor& failure) {
  const auto argv = pointers(start.argv);
  const auto environment = pointers(start.environment);
  become_ordinary_child();
  set_out_of_memory_score("0");
  bool ready = true;
  if (start.terminal) {
    ::setsid();
    ready = ::ioctl(ends.slave.get(), TIOCSCTTY, 0) == 0;
    for (int fd = 0; fd < 3; ++fd) ::dup2(ends.slave.get(), fd);
  } else {
    ::setpgid(0, 0);
    ::dup2(ends.in.read_end.get(), STDIN_FILENO);
    ::dup2(ends.out.write_end.get(), STDOUT_FILENO);
    ::dup2(ends.err.write_end.get(), STDERR_FILENO);
  }
  if (ready && become_user(start.uid)) {
    ::execvpe(argv[0], argv.data(), environment.data());
  }
  const int reason = errno;
  [[maybe_unused]] const ssize_t ignored = ::write(failure.get(), &reason, sizeof reason);
  ::_exit(127);
}

}  // namespace

Process::Process(std::uint64_t handle, const ProgramStart& start, const ProcessListener& listener)
    : handle_(handle), listener_(listener), stream_(start.stream), terminal_(start.terminal) {
  Ends ends = make_ends(start);
  Pipe failure = make_pipe();  // carries errno of a failed exec; closed by a successful one
  pid_ = ::fork();
  if (pid_ < 0) refuse("fork");
  if (pid_ == 0) run_child(start, ends, failure.write_end);
  if (!terminal_) ::setpgid(pid_, pid_);
  failure.write_end.reset();
  int reason = 0;
  ssize_t got = 0;
  do {
    got = ::read(failure.read_end.get(), &reason, sizeof reason);
  } while (got < 0 && errno == EINTR);
  if (got == sizeof reason) {
    ::waitpid(pid_, nullptr, 0);
    pid_ = -1;
    refuse("run " + start.argv.at(0), reason);
  }
  if (terminal_) {
    input_ = Descriptor(::fcntl(ends.master.get(), F_DUPFD_CLOEXEC, 0));
    outputs_[0].fd = std::move(ends.master);
  } else {
    input_ = std::move(ends.in.write_end);
    outputs_[0].fd = std::move(ends.out.read_end);
    outputs_[1].fd = std::move(ends.err.read_end);
    set_nonblocking(outputs_[1].fd.get());
  }
  set_nonblocking(input_.get());
  set_nonblocking(outputs_[0].fd.get());
  for (auto& output : outputs_) output.left = start.output_limit;
  inputs_.push_back({std::nullopt, start.input, 0, start.input_end});
  feed();
}

Process::~Process() {
  if (pid_ > 0) ::kill(-pid_, SIGKILL);
}

void Process::write(std::uint64_t request_id, std::vector<std::uint8_t> data, bool end) {
  if (!input_.valid()) {
    listener_.input_done(request_id, EPIPE);
    return;
  }
  inputs_.push_back({request_id, std::move(data), 0, end});
  feed();
}

void Process::send_signal(int signal) const {
  if (::kill(-pid_, signal) < 0) refuse("signal");
}

void Process::resize(unsigned short rows, unsigned short columns) const {
  const winsize size = {rows, columns, 0, 0};
  if (!terminal_ || ::ioctl(outputs_[0].fd.get(), TIOCSWINSZ, &size) < 0) {
    refuse("resize", ENOTTY);
  }
}

void Process::add_to_poll(std::vector<pollfd>& waits, bool may_send) const {
  for (const auto& output : outputs_) {
    if (output.fd.valid() && (may_send || !stream_)) waits.push_back({output.fd.get(), POLLIN, 0});
  }
  if (input_.valid() && !inputs_.empty()) waits.push_back({input_.get(), POLLOUT, 0});
}

void Process::service(bool may_send) {
  if (may_send || !stream_) {
    take_output(1, false);
    take_output(2, false);
  }
  feed();
}

void Process::take_output(int stream, bool all) {
  Output& output = outputs_[stream - 1];
  std::vector<std::uint8_t> buffer(65536);
  while (output.fd.valid()) {
    const ssize_t got = ::read(output.fd.get(), buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0) {  // the end; EIO from a terminal
      output.fd.reset();
      return;
    }
    const std::size_t keep = std::min(static_cast<std::size_t>(got), output.left);
    output.left -= keep;
    const auto end = buffer.begin() + static_cast<std::ptrdiff_t>(keep);
    if (!stream_) {
      output.kept.insert(output.kept.end(), buffer.begin(), end);
    } else if (keep > 0) {
      listener_.output(handle_, stream, {buffer.begin(), end});
    }
    if (!all) return;
  }
}

void Process::feed() {
  while (input_.valid() && !inputs_.empty()) {
    Input& input = inputs_.front();
    while (input.written < input.data.size()) {
      const ssize_t put = ::write(input_.get(), input.data.data() + input.written,
                                  input.data.size() - input.written);
      if (put < 0 && errno == EINTR) continue;
      if (put < 0 && errno == EAGAIN) return;
      if (put < 0) {
        input_.reset();
        refuse_inputs(EPIPE);
        return;
      }
      input.written += static_cast<std::size_t>(put);
    }
    const Input done = std::move(input);
    inputs_.pop_front();
    if (done.end) input_.reset();
    input_done(done, 0);
  }
}

void Process::input_done(const Input& input, int error_number) const {
  if (input.request_id) listener_.input_done(*input.request_id, error_number);
}

void Process::refuse_inputs(int error_number) {
  for (const auto& input : inputs_) input_done(input, error_number);
  inputs_.clear();
}

void Process::finish() {
  ::kill(-pid_, SIGKILL);
  pid_ = -1;
  for (int stream = 1; stream <= 2; ++stream) {
    take_output(stream, true);
    Output& output = outputs_[stream - 1];
    output.fd.reset();
    for (std::size_t at = 0; at < output.kept.size(); at += kMaxChunk) {
      const auto begin = output.kept.begin() + static_cast<std::ptrdiff_t>(at);
      const auto length = std::min(kMaxChunk, output.kept.size() - at);
      listener_.output(handle_, stream, {begin, begin + static_cast<std::ptrdiff_t>(length)});
    }
  }
  input_.reset();
  refuse_inputs(EPIPE);
}

Task::Task(std::uint64_t request_id, const std::function<void()>& work) : request_id_(request_id) {
  Pipe report = make_pipe();
  pid_ = ::fork();
  if (pid_ < 0) refuse("fork");
  if (pid_ == 0) {
    become_ordinary_child();
    // Where memory runs out it is this child that asked for it.
    set_out_of_memory_score("1000");
    std::string outcome(sizeof(int), '\0');
    try {
      work();
    } catch (const RequestError& error) {
      const int error_number = error.error_number();
      std::memcpy(outcome.data(), &error_number, sizeof error_number);
      outcome += std::string(error.what()).substr(0, 1024);  // fits the pipe
    }
    [[maybe_unused]] const ssize_t ignored =
        ::write(report.write_end.get(), outcome.data(), outcome.size());
    ::_exit(0);
  }
  report_ = std::move(report.read_end);
}

void Task::result(int wait_status) {
  char buffer[4096];
  set_nonblocking(report_.get());
  const ssize_t got = ::read(report_.get(), buffer, sizeof buffer);
  if (got < static_cast<ssize_t>(sizeof(int))) {
    throw RequestError(EINTR,
                       "the request was killed in the guest by signal " +
                           std::to_string(WIFSIGNALED(wait_status) ? WTERMSIG(wait_status) : 0));
  }
  int error_number = 0;
  std::memcpy(&error_number, buffer, sizeof error_number);
  if (error_number == 0) return;
  throw RequestError(
      error_number, std::string(buffer + sizeof(int), static_cast<std::size_t>(got) - sizeof(int)));
}

}  // namespace zcl::guest
