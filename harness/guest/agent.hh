// SPDX-License-Identifier: MIT
// The agent's loop: requests in, replies and events out.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "harness/guest/descriptor.hh"
#include "harness/guest/files.hh"
#include "harness/guest/frame.hh"
#include "harness/guest/processes.hh"

namespace zcl::guest {

/// Serves one port. SIGCHLD must be blocked before it is made.
class Agent {
 public:
  /// `boot_errors`: what went wrong before the port could be opened, for `hello`.
  /// `leave_at_hangup`: the port is a socket, and its end is ours; else the host may come back.
  Agent(Descriptor port, std::vector<std::string> boot_errors, bool leave_at_hangup);
  ~Agent();
  Agent(const Agent&) = delete;
  Agent& operator=(const Agent&) = delete;

  /// Announces itself and serves until the port hangs up (never, where the host may come back).
  void run();

 private:
  using Message = nlohmann::json;
  struct Sleep {
    std::uint64_t request_id;
    Descriptor timer;
  };

  void wait();
  void service_port();
  void receive();
  void transmit();
  void reap();
  void wake_sleepers();
  void send(Message message);
  void reply(std::uint64_t id, Message result = Message::object());
  void reply_error(std::uint64_t id, int error_number, const std::string& text);
  void handle(const Message& request);
  /// Requests that are answered at once; nothing for one that it does not know.
  std::optional<Message> answer(const std::string& operation, const Fields& fields);
  /// Requests whose reply comes later. False for one that it does not know.
  bool begin(std::uint64_t id, const std::string& operation, const Fields& fields);
  Message hello();
  Message start(const Fields& fields);
  void begin_sleep(std::uint64_t id, std::uint64_t nanoseconds);
  Process& process(const Fields& fields);
  void start_session();
  [[nodiscard]] bool may_send() const { return unsent_.size() - sent_ < kMaxUnsent; }

  Descriptor port_;
  Descriptor port_events_;  ///< edge-triggered: a port without a host is "hung up" all the time
  Descriptor child_signal_;
  std::vector<std::string> boot_errors_;
  bool leave_at_hangup_;
  bool hung_up_ = false;
  FrameReader reader_{true};
  std::vector<std::uint8_t> unsent_;
  std::size_t sent_ = 0;
  ProcessListener listener_;
  std::uint64_t next_handle_ = 1;
  std::map<std::uint64_t, std::unique_ptr<Process>> processes_;
  std::vector<Task> tasks_;
  std::vector<Sleep> sleeps_;
  ChunkReader chunks_;
};

}  // namespace zcl::guest
