// SPDX-License-Identifier: MIT
#include "harness/vm/agent_connection.hh"

#include <fcntl.h>
#include <sys/random.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

#include "harness/base/error.hh"
#include "harness/vm/guest_fault.hh"

namespace zcl::vm {

namespace key = guest::key;
using Clock = std::chrono::steady_clock;

namespace {

/// Ids of two connections to one agent must not meet: a stale reply would pass for a fresh one.
std::uint64_t fresh_id() {
  std::uint64_t id = 0;
  if (::getrandom(&id, sizeof id, 0) != sizeof id) base::throw_system_error("getrandom");
  return id >> 1;  // room to count up
}

}  // namespace

AgentConnection::AgentConnection(base::FileDescriptor socket, FaultWatch* watch,
                                 AgentDeadlines deadlines)
    : socket_(std::move(socket)),
      watch_(watch),
      deadlines_(deadlines),
      next_id_(fresh_id()),
      last_sign_(Clock::now()) {
  base::check_system_call("fcntl", ::fcntl(socket_.get(), F_SETFL, O_NONBLOCK));
}

std::vector<std::string> AgentConnection::synchronise(const base::Deadline& deadline) {
  reader_.set_resynchronise(true);
  const std::uint64_t id = send({{key::kOp, guest::op::kHello}});
  hello_id_ = id;
  replies_.emplace(id, std::nullopt);
  // The time to boot is bounded by `deadline` alone: silence is no sign of failure yet.
  wait_with_progress([&] { return replies_.at(id).has_value(); }, deadline, {},
                     std::chrono::hours(24));
  reader_.set_resynchronise(false);
  hello_id_.reset();
  const auto reply = std::move(*replies_.at(id));
  replies_.erase(id);
  const guest::Fields fields(reply);
  try {
    if (fields.number(key::kVersion) != guest::kProtocolVersion) {
      throw EnvironmentError(
          "The guest agent speaks another version of the protocol: the template is older than this "
          "program. Delete the templates (`zcl doctor` names their directory) and try again.");
    }
    return fields.texts(key::kBootErrors);
  } catch (const guest::ProtocolError& error) {
    fail(EPROTO, error.what());
  }
}

nlohmann::json AgentConnection::call(nlohmann::json request) {
  const std::string name = request.at(key::kOp).get<std::string>();
  return call(std::move(request),
              base::Deadline("agent request \"" + name + "\"", deadlines_.request));
}

nlohmann::json AgentConnection::call(nlohmann::json request, const base::Deadline& deadline) {
  const std::uint64_t id = send(std::move(request));
  replies_.emplace(id, std::nullopt);
  try {
    wait([&] { return replies_.at(id).has_value(); }, deadline);
  } catch (const base::DeadlinePassed&) {
    replies_.erase(id);
    give_up(deadline);
  } catch (...) {
    replies_.erase(id);
    throw;
  }
  auto reply = std::move(*replies_.at(id));
  replies_.erase(id);
  if (!reply.contains(key::kErrno)) return reply;
  const guest::Fields fields(reply);
  try {
    const int error_number = static_cast<int>(fields.number(key::kErrno, 4096));
    throw GuestError(fields.text(key::kText), error_number);
  } catch (const guest::ProtocolError& error) {
    fail(EPROTO, error.what());
  }
}

void AgentConnection::post(nlohmann::json request) noexcept {
  if (gone_) return;
  try {
    send(std::move(request));
    transmit();
  } catch (...) {  // the machine is failing: whoever waits for it next is told
  }
}

std::uint64_t AgentConnection::send(nlohmann::json request) {
  const std::uint64_t id = next_id_++;
  request[key::kId] = id;
  const auto frame = guest::encode_frame(std::move(request));
  unsent_.insert(unsent_.end(), frame.begin(), frame.end());
  return id;
}

nlohmann::json AgentConnection::start_program(nlohmann::json request, std::size_t output_limit) {
  request[key::kOp] = guest::op::kStart;
  starting_ = {next_id_, output_limit};
  auto reply = call(std::move(request));
  starting_.reset();
  return reply;
}

void AgentConnection::wait_with_progress(const std::function<bool()>& done,
                                         const base::Deadline& deadline,
                                         const std::vector<pollfd>& also,
                                         std::chrono::milliseconds progress) {
  last_sign_ = Clock::now();
  bool pinged = false;
  while (true) {
    if (watch_ != nullptr) watch_->service();
    if (done()) return;
    if (gone_) fail(EPIPE, "the connection to the guest agent has ended");
    transmit();
    const auto now = Clock::now();
    const auto silence = now - last_sign_;
    if (deadline.passed()) throw base::DeadlinePassed(deadline);
    if (silence >= 2 * progress) {
      const base::Deadline sign("sign of life of the guest agent", Clock::duration::zero());
      if (watch_ == nullptr) throw base::DeadlinePassed(sign);
      throw GuestFault(watch_->diagnose(sign.name(), false));
    }
    if (silence < progress) pinged = false;
    if (silence >= progress && !pinged) {
      send({{key::kOp, guest::op::kPing}});
      pinged = true;
      continue;
    }
    const auto silence_left = (pinged ? 2 : 1) * progress - silence;
    const auto left = std::min<Clock::duration>(silence_left, deadline.left());
    std::vector<pollfd> waits = also;
    const bool sending = sent_ < unsent_.size();
    waits.push_back({socket_.get(), static_cast<short>(sending ? POLLIN | POLLOUT : POLLIN), 0});
    const std::size_t own = waits.size() - 1;
    if (watch_ != nullptr) watch_->add_to_poll(waits);
    const auto timeout = std::chrono::ceil<std::chrono::milliseconds>(left).count();
    if (::poll(waits.data(), waits.size(),
               static_cast<int>(std::clamp<long>(timeout, 0, 1'000'000'000))) < 0) {
      if (errno != EINTR) base::throw_system_error("poll");
      continue;
    }
    if (waits[own].revents != 0) receive();
  }
}

void AgentConnection::give_up(const base::Deadline& deadline) {
  if (watch_ == nullptr) throw base::DeadlinePassed(deadline);
  throw GuestFault(watch_->diagnose(deadline.name(), answers_ping()));
}

bool AgentConnection::answers_ping() {
  const std::uint64_t id = send({{key::kOp, guest::op::kPing}});
  replies_.emplace(id, std::nullopt);
  bool answered = true;
  try {
    wait([&] { return replies_.at(id).has_value(); },
         base::Deadline("answer to a ping", deadlines_.progress));
  } catch (const base::DeadlinePassed&) {
    answered = false;
  }
  replies_.erase(id);
  return answered;
}

void AgentConnection::transmit() {
  while (sent_ < unsent_.size() && !gone_) {
    const ssize_t put = ::send(socket_.get(), unsent_.data() + sent_, unsent_.size() - sent_,
                               MSG_NOSIGNAL | MSG_DONTWAIT);
    if (put < 0 && errno == EINTR) continue;
    if (put < 0 && errno == EAGAIN) return;
    if (put < 0) {
      gone_ = true;
      return;
    }
    sent_ += static_cast<std::size_t>(put);
  }
  unsent_.clear();
  sent_ = 0;
}

void AgentConnection::receive() {
  base::Bytes buffer(65536);
  const ssize_t got = ::recv(socket_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
  if (got < 0 && (errno == EINTR || errno == EAGAIN)) return;
  if (got <= 0) {
    gone_ = true;
    return;
  }
  last_sign_ = Clock::now();
  reader_.append({buffer.data(), static_cast<std::size_t>(got)});
  try {
    while (auto message = reader_.next()) dispatch(std::move(*message));
  } catch (const guest::ProtocolError& error) {
    fail(EPROTO, error.what());
  }
}

void AgentConnection::dispatch(nlohmann::json message) {
  const guest::Fields fields(message);
  if (fields.has(key::kId)) {
    const std::uint64_t id = fields.number(key::kId);
    const auto awaited = replies_.find(id);
    if (hello_id_ == id) reader_.set_resynchronise(false);
    if (starting_ && starting_->first == id && fields.has(key::kHandle)) {
      programs_[fields.number(key::kHandle)].output_limit = starting_->second;
    }
    if (awaited != replies_.end()) awaited->second = std::move(message);
    return;
  }
  if (hello_id_) return;  // an event for an earlier connection
  const std::string& event = fields.text(key::kEvent);
  if (event == guest::event::kOutput) take_output(fields);
  if (event == guest::event::kExit) take_exit(fields);
}

void AgentConnection::take_output(const guest::Fields& fields) {
  const auto found = programs_.find(fields.number(key::kHandle));
  if (found == programs_.end()) return;
  Program& program = found->second;
  const bool second = fields.number(key::kStream, 2) == 2;
  std::size_t& received = second ? program.error_received : program.output_received;
  const auto& data = fields.bytes(key::kData);
  // The agent keeps this limit itself; a broken one must not fill the host's memory.
  if (data.size() > program.output_limit - received) {
    throw guest::ProtocolError("more output than the program's limit");
  }
  received += data.size();
  (second ? program.error : program.output).append(data.begin(), data.end());
}

void AgentConnection::take_exit(const guest::Fields& fields) {
  const auto found = programs_.find(fields.number(key::kHandle));
  if (found == programs_.end()) return;
  Program& program = found->second;
  program.result.exit_status = static_cast<int>(fields.number(key::kStatus, 255));
  program.result.signal = static_cast<int>(fields.number(key::kSignal, 127));
  program.result.minor_faults = fields.number(key::kMinorFaults);
  program.result.major_faults = fields.number(key::kMajorFaults);
  program.result.voluntary_switches = fields.number(key::kVoluntarySwitches);
  program.result.involuntary_switches = fields.number(key::kInvoluntarySwitches);
  program.ended = true;
}

AgentConnection::Program& AgentConnection::program(std::uint64_t handle) {
  return programs_.at(handle);
}

void AgentConnection::detach() {
  watch_ = nullptr;
  gone_ = true;
  socket_.reset();
}

void AgentConnection::fail(int error_number, const std::string& why) {
  // A machine that dies takes its agent along, and its own end is the better answer; but it may be
  // heard of a moment later.
  const base::Deadline end("end of the machine", std::chrono::seconds(5));
  while (watch_ != nullptr) {
    watch_->service();
    std::vector<pollfd> waits;
    watch_->add_to_poll(waits);
    if (end.passed() || error_number != EPIPE) break;
    ::poll(waits.data(), waits.size(), end.poll_timeout());
  }
  throw GuestError("guest agent: " + why, error_number);
}

}  // namespace zcl::vm
