// SPDX-License-Identifier: MIT
// Framing, replies and events of the guest agent, seen from the host. Private to vm/.
// The messages: harness/guest/protocol.hh. What comes in is bounded and checked before it is used.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "harness/base/deadline.hh"
#include "harness/base/file_descriptor.hh"
#include "harness/guest/frame.hh"
#include "harness/vm/agent_client.hh"
#include "harness/vm/fault_watch.hh"

namespace zcl::vm {

struct AgentDeadlines {
  std::chrono::milliseconds request{60'000};  ///< a request without a limit of its own
  /// Without a byte from the agent; then it is pinged, and after as long again given up. (Not
  /// pinged earlier: a ping costs the guest instructions that a count would see.)
  std::chrono::milliseconds progress{30'000};
};

/// One connection to the agent of one machine. Not thread-safe: one thread drives a machine.
class AgentConnection {
 public:
  /// What has arrived of a program that runs in the guest.
  struct Program {
    std::string output;  ///< not yet taken by anyone
    std::string error;
    bool ended = false;
    ProgramResult result;          ///< valid when ended; its texts are empty
    std::size_t output_limit = 0;  ///< bytes of each stream that the guest may send
    std::size_t output_received = 0;
    std::size_t error_received = 0;
  };

  /// `socket`: the host's end of the port. `watch` may be null (no machine to fail) and must
  /// outlive the connection or its detach().
  AgentConnection(base::FileDescriptor socket, FaultWatch* watch, AgentDeadlines deadlines = {});

  /// Says hello under a fresh id and drops all that arrives before its answer: after a clone the
  /// port may hold bytes of another connection. The agent forgets what an earlier host had begun.
  /// Returns what went wrong in the guest before the agent could answer (no line: nothing).
  /// Throws GuestFault, DeadlinePassed, EnvironmentError when the agent is of another version.
  std::vector<std::string> synchronise(const base::Deadline& deadline);

  /// Sends `request` (without id) and waits for its reply. Throws GuestError with the guest's errno
  /// (EPROTO: an answer that cannot be decoded, EPIPE: the agent has gone), GuestFault; at the
  /// deadline GuestFault where there is a watch, else DeadlinePassed.
  nlohmann::json call(nlohmann::json request, const base::Deadline& deadline);
  /// With the default deadline, named after the operation.
  nlohmann::json call(nlohmann::json request);
  /// Sends without waiting for a reply; whatever it is will be dropped. Never throws.
  void post(nlohmann::json request) noexcept;

  /// Sends a `start` request. Its program is known from the moment its reply arrives, since output
  /// may follow in the same breath. Returns the reply.
  nlohmann::json start_program(nlohmann::json request, std::size_t output_limit);

  /// Waits until `done()`; `also`: descriptors that wake it to ask again. Throws GuestFault,
  /// GuestError(EPIPE), DeadlinePassed.
  void wait(const std::function<bool()>& done, const base::Deadline& deadline,
            const std::vector<pollfd>& also = {}) {
    wait_with_progress(done, deadline, also, deadlines_.progress);
  }
  /// A watch's verdict on a wait that was too long, or DeadlinePassed where there is none.
  [[noreturn]] void give_up(const base::Deadline& deadline);

  /// Programs that were started over this connection, by handle.
  Program& program(std::uint64_t handle);
  void forget_program(std::uint64_t handle) { programs_.erase(handle); }
  [[nodiscard]] bool has_program(std::uint64_t handle) const { return programs_.contains(handle); }

  [[nodiscard]] const AgentDeadlines& deadlines() const { return deadlines_; }
  /// The machine is going away: nothing more is sent or asked.
  void detach();

 private:
  void wait_with_progress(const std::function<bool()>& done, const base::Deadline& deadline,
                          const std::vector<pollfd>& also, std::chrono::milliseconds progress);
  std::uint64_t send(nlohmann::json request);
  void transmit();
  void receive();
  void dispatch(nlohmann::json message);
  void take_output(const guest::Fields& fields);
  void take_exit(const guest::Fields& fields);
  [[noreturn]] void fail(int error_number, const std::string& why);
  bool answers_ping();

  base::FileDescriptor socket_;
  FaultWatch* watch_;
  AgentDeadlines deadlines_;
  guest::FrameReader reader_{false};
  base::Bytes unsent_;
  std::size_t sent_ = 0;
  std::uint64_t next_id_;
  std::optional<std::uint64_t> hello_id_;                           ///< while synchronising
  std::map<std::uint64_t, std::optional<nlohmann::json>> replies_;  ///< awaited ids
  std::optional<std::pair<std::uint64_t, std::size_t>> starting_;   ///< id, output limit
  std::map<std::uint64_t, Program> programs_;
  std::chrono::steady_clock::time_point last_sign_;
  bool gone_ = false;
};

}  // namespace zcl::vm
