// SPDX-License-Identifier: MIT
// The host's hand inside the guest: a program that answers commands, one a line
// (labs/common/user/text_protocol.hh), driven one command at a time.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "harness/lab/procedure.hh"

namespace zcl::labs {

/// What the probe answered: a claim of the guest.
struct Answer {
  bool ok = false;
  int error = 0;  ///< errno of the failed call; 0: none failed, but a signal or a wrong command
  std::string text;
};

class Probe {
 public:
  static constexpr std::chrono::seconds kAnswerLimit{60};  ///< host time

  /// Starts the lab's program `program` as user `uid`.
  Probe(lab::Context& context, vm::Machine& machine, const std::string& program, unsigned uid = 0);

  /// Throws DeadlinePassed, GuestFault, or GuestError(EPIPE) when the program is gone.
  Answer ask(const std::string& command);
  /// Sends a command that never answers.
  void start(const std::string& command) { process_.write_input(command + "\n"); }
  /// The answer to a command that was started, when it comes after all.
  Answer answer(const std::string& command, std::chrono::seconds limit = kAnswerLimit);
  /// The words of an answer that must be "ok". Throws lab::CheckFailed beginning with `what`.
  std::vector<std::string> must(const std::string& command, const std::string& what);
  /// The first of them, a number.
  std::uint64_t number(const std::string& command, const std::string& what);

  [[nodiscard]] int pid() const { return process_.pid(); }
  /// Kills it and waits for its end: all its mappings and descriptors are gone.
  void kill();
  /// Lets it end by itself.
  void finish();

 private:
  vm::GuestProcess process_;
};

std::string to_hex(base::ByteView bytes);
std::string to_hex(std::uint64_t value);

}  // namespace zcl::labs
