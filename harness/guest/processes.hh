// SPDX-License-Identifier: MIT
// Programs that the agent runs: start, streams, end. One thread; the agent's loop polls.
#pragma once

#include <poll.h>
#include <sys/resource.h>
#include <sys/types.h>

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "harness/guest/descriptor.hh"

namespace zcl::guest {

struct ProgramStart {
  std::vector<std::string> argv;
  std::vector<std::string> environment;  ///< "NAME=value"
  unsigned uid = 0;                      ///< and gid
  std::size_t output_limit = 0;          ///< bytes kept of each stream; the rest is dropped
  bool stream = false;                   ///< send output as it comes, else all of it at the end
  bool terminal = false;                 ///< one pseudo-terminal instead of three pipes
  unsigned short rows = 24;
  unsigned short columns = 80;
  std::vector<std::uint8_t> input;  ///< there to read from the program's first moment
  bool input_end = false;           ///< and nothing after it
};

/// What a Process tells the agent.
struct ProcessListener {
  std::function<void(std::uint64_t handle, int stream, std::vector<std::uint8_t> data)> output;
  /// `error_number` 0: all of the input was taken.
  std::function<void(std::uint64_t request_id, int error_number)> input_done;
};

/// A running program in its own process group (a session with a terminal). Output goes to the
/// listener; what its streams hold when it ends is taken, and the rest of its group is killed.
class Process {
 public:
  /// Throws RequestError with the errno of fork, exec, or setuid.
  Process(std::uint64_t handle, const ProgramStart& start, const ProcessListener& listener);
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  [[nodiscard]] std::uint64_t handle() const { return handle_; }
  [[nodiscard]] pid_t pid() const { return pid_; }

  /// Queues input; the listener hears of `request_id` when it is written. Then, with `end`, closes.
  void write(std::uint64_t request_id, std::vector<std::uint8_t> data, bool end);
  /// To the whole group. Throws RequestError.
  void send_signal(int signal) const;
  void resize(unsigned short rows, unsigned short columns) const;

  /// What to wait for. `may_send`: the way to the host has room for more output.
  void add_to_poll(std::vector<pollfd>& waits, bool may_send) const;
  /// Does what can be done without waiting.
  void service(bool may_send);
  /// The main process is gone: kills the rest of its group, takes the last output, delivers it.
  void finish();

 private:
  struct Output {
    Descriptor fd;
    std::size_t left = 0;            ///< of the output limit
    std::vector<std::uint8_t> kept;  ///< where output is sent at the end
  };
  struct Input {
    std::optional<std::uint64_t> request_id;  ///< none: it came with the start
    std::vector<std::uint8_t> data;
    std::size_t written = 0;
    bool end = false;
  };
  void take_output(int stream, bool all);
  void feed();
  void input_done(const Input& input, int error_number) const;
  void refuse_inputs(int error_number);

  std::uint64_t handle_;
  const ProcessListener& listener_;
  pid_t pid_ = -1;
  bool stream_;
  bool terminal_;
  Descriptor input_;
  Output outputs_[2];
  std::deque<Input> inputs_;
};

/// A request that may take long or never end (a module's init function), in a child of its own, so
/// that the agent keeps answering.
class Task {
 public:
  Task(std::uint64_t request_id, const std::function<void()>& work);
  [[nodiscard]] std::uint64_t request_id() const { return request_id_; }
  [[nodiscard]] pid_t pid() const { return pid_; }
  /// After its end: throws the RequestError that the work threw.
  void result(int wait_status);

 private:
  std::uint64_t request_id_;
  pid_t pid_ = -1;
  Descriptor report_;
};

}  // namespace zcl::guest
