// SPDX-License-Identifier: MIT
#include "harness/vm/guest_shell.hh"

#include <poll.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <filesystem>
#include <optional>

#include "harness/base/error.hh"
#include "harness/vm/agent_connection.hh"

namespace zcl::vm {

namespace {

namespace key = guest::key;
namespace op = guest::op;

constexpr char kBusyBox[] = "/bin/busybox";
constexpr char kLeave = 0x1d;       // Ctrl-]
constexpr char kEndOfInput = 0x04;  // Ctrl-D
/// Of one terminal session; the machine's own limit is shorter.
constexpr std::chrono::hours kSession{24};

/// Raw mode for as long as it lives; nothing where `fd` is no terminal.
class RawMode {
 public:
  explicit RawMode(int fd) : fd_(fd) {
    termios raw{};
    if (::tcgetattr(fd_, &raw) < 0) return;
    before_ = raw;
    ::cfmakeraw(&raw);
    ::tcsetattr(fd_, TCSADRAIN, &raw);
  }
  RawMode(const RawMode&) = delete;
  RawMode& operator=(const RawMode&) = delete;
  ~RawMode() {
    if (before_) ::tcsetattr(fd_, TCSADRAIN, &*before_);
  }

 private:
  int fd_;
  std::optional<termios> before_;
};

/// Lets a change of the window's size end a poll.
class WindowSignal {
 public:
  WindowSignal() {
    struct sigaction action {};
    action.sa_handler = [](int) {};
    ::sigaction(SIGWINCH, &action, &before_);
  }
  WindowSignal(const WindowSignal&) = delete;
  WindowSignal& operator=(const WindowSignal&) = delete;
  ~WindowSignal() { ::sigaction(SIGWINCH, &before_, nullptr); }

 private:
  struct sigaction before_ {};
};

struct WindowSize {
  unsigned rows = 24;
  unsigned columns = 80;
  bool operator==(const WindowSize&) const = default;
};

WindowSize window_size(int fd) {
  winsize size{};
  if (::ioctl(fd, TIOCGWINSZ, &size) < 0 || size.ws_row == 0) return {};
  return {size.ws_row, size.ws_col};
}

void write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(fd, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return;  // nobody looks any more; the end of input will follow
    text.remove_prefix(static_cast<std::size_t>(written));
  }
}

/// One running session.
class Relay {
 public:
  Relay(AgentConnection& connection, const std::vector<std::string>& argv, const TerminalEnds& ends)
      : connection_(connection), ends_(ends), size_(window_size(ends.input)) {
    const auto reply = connection_.start_program(
        {{key::kArgv, argv},
         {key::kEnvironment, std::vector<std::string>{"PATH=/bin:/sbin:/usr/bin:/usr/sbin",
                                                      "TERM=linux", "HOME=/", "PS1=guest# "}},
         {key::kUid, 0U},
         {key::kOutputLimit, static_cast<std::uint64_t>(INT64_MAX)},
         {key::kStream, true},
         {key::kTerminal, true},
         {key::kRows, size_.rows},
         {key::kColumns, size_.columns},
         {key::kData, guest::binary({})},
         {key::kInputEnd, false}},
        static_cast<std::size_t>(INT64_MAX));
    handle_ = guest::Fields(reply).number(key::kHandle);
  }
  Relay(const Relay&) = delete;
  Relay& operator=(const Relay&) = delete;
  ~Relay() {
    if (!connection_.program(handle_).ended) {
      connection_.post({{key::kOp, op::kForget}, {key::kHandle, handle_}});
    }
    connection_.forget_program(handle_);
  }

  int run() {
    const base::Deadline deadline("terminal session", kSession);
    auto& program = connection_.program(handle_);
    while (!left_) {
      std::vector<pollfd> also;
      if (input_open_) also.push_back({ends_.input, POLLIN, 0});
      connection_.wait(
          [&] { return !program.output.empty() || program.ended || input_ready() || resized(); },
          deadline, also);
      write_all(ends_.output, program.output);
      program.output.clear();
      if (program.ended) {
        return program.result.signal != 0 ? 128 + program.result.signal
                                          : program.result.exit_status;
      }
      if (resized()) pass_size();
      if (input_ready()) pass_input();
    }
    return 0;
  }

 private:
  [[nodiscard]] bool input_ready() const {
    pollfd wait = {ends_.input, POLLIN, 0};
    return input_open_ && ::poll(&wait, 1, 0) > 0;
  }
  [[nodiscard]] bool resized() const { return window_size(ends_.input) != size_; }

  void pass_size() {
    size_ = window_size(ends_.input);
    connection_.post({{key::kOp, op::kResize},
                      {key::kHandle, handle_},
                      {key::kRows, size_.rows},
                      {key::kColumns, size_.columns}});
  }

  void pass_input() {
    std::array<char, 4096> buffer;
    const ssize_t got = ::read(ends_.input, buffer.data(), buffer.size());
    if (got < 0 && (errno == EINTR || errno == EAGAIN)) return;
    std::string text(buffer.data(), got > 0 ? static_cast<std::size_t>(got) : 0);
    if (got <= 0) {
      input_open_ = false;
      text.push_back(kEndOfInput);
    }
    if (const auto leave = text.find(kLeave); leave != std::string::npos) {
      text.resize(leave);
      left_ = true;
    }
    connection_.post({{key::kOp, op::kInput},
                      {key::kHandle, handle_},
                      {key::kData, guest::binary({text.begin(), text.end()})},
                      {key::kInputEnd, false}});
  }

  AgentConnection& connection_;
  TerminalEnds ends_;
  WindowSize size_;
  std::uint64_t handle_ = 0;
  bool input_open_ = true;
  bool left_ = false;
};

}  // namespace

int relay_terminal(AgentConnection& connection, const std::vector<std::string>& argv,
                   const TerminalEnds& ends) {
  Relay relay(connection, argv, ends);
  const WindowSignal window;
  const RawMode raw(ends.input);
  return relay.run();
}

int run_shell(Machine& machine, const std::string& greeting, const TerminalEnds& ends) {
  if (!std::filesystem::exists(kBusyBox)) {
    throw EnvironmentError(
        "An interactive shell needs a static BusyBox to carry into the guest: install the package "
        "busybox-static.");
  }
  auto& agent = machine.agent();
  agent.put_file(kBusyBox, base::read_file(kBusyBox), 0755);
  const auto installed = agent.run({.argv = {kBusyBox, "--install", "-s", "/bin"}});
  if (!installed.ok()) {
    throw EnvironmentError(std::string(kBusyBox) +
                           " does not run in the guest (is it the static one, of the package "
                           "busybox-static?): " +
                           installed.error);
  }
  write_all(ends.output, greeting);
  return relay_terminal(agent.connection(), {kBusyBox, "sh", "-i"}, ends);
}

}  // namespace zcl::vm
