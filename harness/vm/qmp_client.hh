// SPDX-License-Identifier: MIT
// QEMU's machine protocol (QMP): commands, their replies, and events in between.
// Source: QEMU 7.2, docs/interop/qmp-spec.txt.
#pragma once

#include <deque>
#include <mutex>
#include <nlohmann/json.hpp>
#include <optional>
#include <stdexcept>
#include <string>

#include "harness/base/deadline.hh"
#include "harness/base/file_descriptor.hh"

namespace zcl::vm {

/// QEMU refused a command. The message names the command and QEMU's reason.
class QmpError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// The connection ended: QEMU is gone.
class QmpClosed : public std::runtime_error {
 public:
  QmpClosed() : std::runtime_error("QEMU closed its QMP connection") {}
};

/// Thread-safe; one command at a time.
class QmpClient {
 public:
  explicit QmpClient(base::FileDescriptor socket);

  /// Waits for the greeting and leaves negotiation mode.
  void negotiate(const base::Deadline& deadline);
  /// The value of "return". Events that come meanwhile are kept. Throws QmpError, QmpClosed,
  /// DeadlinePassed.
  nlohmann::json execute(const std::string& command, const nlohmann::json& arguments,
                         const base::Deadline& deadline);
  /// Gives QEMU a copy of `fd` under `name` (command "getfd").
  void send_descriptor(const std::string& name, int fd, const base::Deadline& deadline);
  /// Text that the human monitor prints for `command_line`.
  std::string human(const std::string& command_line, const base::Deadline& deadline);

  /// The oldest event not taken yet, or nothing. Reads what has arrived, does not wait. Throws
  /// QmpClosed once the connection has ended and all events are taken.
  std::optional<nlohmann::json> take_event();
  /// Waits for an event named `name` (and of device `device`, unless empty), leaving others.
  nlohmann::json wait_event(const std::string& name, const std::string& device,
                            const base::Deadline& deadline);
  /// To poll for what may be an event.
  [[nodiscard]] int descriptor() const { return socket_.get(); }

 private:
  nlohmann::json request(const std::string& command, const nlohmann::json& arguments, int fd,
                         const base::Deadline& deadline);
  void transmit(std::string_view text, int fd);
  /// Reads once, waiting until the deadline (null: not at all). False when nothing came.
  bool read_some(const base::Deadline* deadline);
  /// The next message that is not an event.
  nlohmann::json next_reply(const base::Deadline& deadline);
  /// Sorts whole lines of `pending_` into events and replies.
  void sort_messages();

  std::recursive_mutex mutex_;
  base::FileDescriptor socket_;
  std::string pending_;
  std::deque<nlohmann::json> replies_;
  std::deque<nlohmann::json> events_;
  std::uint64_t next_id_ = 1;
  bool closed_ = false;
};

}  // namespace zcl::vm
