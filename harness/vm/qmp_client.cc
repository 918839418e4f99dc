// SPDX-License-Identifier: MIT
#include "harness/vm/qmp_client.hh"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

namespace zcl::vm {

namespace {

constexpr std::size_t kMaxEvents = 4096;        // a guest can cause events; keep the latest
constexpr std::size_t kMaxMessage = 16U << 20;  // QEMU itself answers with less

}  // namespace

QmpClient::QmpClient(base::FileDescriptor socket) : socket_(std::move(socket)) {}

void QmpClient::negotiate(const base::Deadline& deadline) {
  const std::lock_guard lock(mutex_);
  (void)next_reply(deadline);
  (void)execute("qmp_capabilities", nlohmann::json::object(), deadline);
}

nlohmann::json QmpClient::execute(const std::string& command, const nlohmann::json& arguments,
                                  const base::Deadline& deadline) {
  return request(command, arguments, -1, deadline);
}

void QmpClient::send_descriptor(const std::string& name, int fd, const base::Deadline& deadline) {
  (void)request("getfd", {{"fdname", name}}, fd, deadline);
}

nlohmann::json QmpClient::request(const std::string& command, const nlohmann::json& arguments,
                                  int fd, const base::Deadline& deadline) {
  const std::lock_guard lock(mutex_);
  const std::uint64_t id = next_id_++;
  nlohmann::json message = {{"execute", command}, {"id", id}};
  if (!arguments.is_null() && !arguments.empty()) message["arguments"] = arguments;
  transmit(message.dump() + "\n", fd);
  for (;;) {
    nlohmann::json reply = next_reply(deadline);
    // A reply to a command whose deadline had passed is dropped.
    if (reply.value("id", std::uint64_t{0}) != id) continue;
    if (reply.contains("error")) {
      throw QmpError(command + ": " + reply["error"].value("desc", "refused"));
    }
    return reply.at("return");
  }
}

/// The descriptor, if any, travels with the first byte.
void QmpClient::transmit(std::string_view text, int fd) {
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
  while (!text.empty()) {
    iovec part = {const_cast<char*>(text.data()), text.size()};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    if (fd >= 0) {
      message.msg_control = control.data();
      message.msg_controllen = control.size();
      cmsghdr* header = CMSG_FIRSTHDR(&message);
      header->cmsg_level = SOL_SOCKET;
      header->cmsg_type = SCM_RIGHTS;
      header->cmsg_len = CMSG_LEN(sizeof(int));
      std::memcpy(CMSG_DATA(header), &fd, sizeof fd);
    }
    const ssize_t put = ::sendmsg(socket_.get(), &message, MSG_NOSIGNAL);
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) throw QmpClosed();
    text.remove_prefix(static_cast<std::size_t>(put));
    fd = -1;
  }
}

std::string QmpClient::human(const std::string& command_line, const base::Deadline& deadline) {
  return execute("human-monitor-command", {{"command-line", command_line}}, deadline)
      .get<std::string>();
}

std::optional<nlohmann::json> QmpClient::take_event() {
  const std::lock_guard lock(mutex_);
  while (!closed_ && read_some(nullptr)) {
  }
  if (events_.empty()) {
    if (closed_) throw QmpClosed();
    return std::nullopt;
  }
  auto event = std::move(events_.front());
  events_.pop_front();
  return event;
}

nlohmann::json QmpClient::wait_event(const std::string& name, const std::string& device,
                                     const base::Deadline& deadline) {
  const std::lock_guard lock(mutex_);
  for (;;) {
    const auto found = std::find_if(events_.begin(), events_.end(), [&](const auto& event) {
      return event.value("event", "") == name &&
             (device.empty() ||
              event.value(nlohmann::json::json_pointer("/data/device"), "") == device);
    });
    if (found != events_.end()) {
      auto event = std::move(*found);
      events_.erase(found);
      return event;
    }
    if (closed_) throw QmpClosed();
    if (!read_some(&deadline)) throw base::DeadlinePassed(deadline);
  }
}

nlohmann::json QmpClient::next_reply(const base::Deadline& deadline) {
  while (replies_.empty()) {
    if (closed_) throw QmpClosed();
    if (!read_some(&deadline)) throw base::DeadlinePassed(deadline);
  }
  auto reply = std::move(replies_.front());
  replies_.pop_front();
  return reply;
}

bool QmpClient::read_some(const base::Deadline* deadline) {
  pollfd waits = {socket_.get(), POLLIN, 0};
  int ready = 0;
  do {
    ready = ::poll(&waits, 1, deadline == nullptr ? 0 : deadline->poll_timeout());
  } while (ready < 0 && errno == EINTR);
  if (ready <= 0) return false;
  std::array<char, 65536> buffer;
  const ssize_t got = ::recv(socket_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
  if (got < 0 && (errno == EINTR || errno == EAGAIN)) return deadline != nullptr;
  if (got <= 0 || pending_.size() > kMaxMessage) {
    closed_ = true;
    return true;
  }
  pending_.append(buffer.data(), static_cast<std::size_t>(got));
  sort_messages();
  return true;
}

void QmpClient::sort_messages() {
  std::size_t begin = 0;
  for (auto end = pending_.find('\n'); end != std::string::npos;
       begin = end + 1, end = pending_.find('\n', begin)) {
    auto message =
        nlohmann::json::parse(pending_.begin() + static_cast<std::ptrdiff_t>(begin),
                              pending_.begin() + static_cast<std::ptrdiff_t>(end), nullptr, false);
    if (!message.is_object()) continue;
    if (!message.contains("event")) {
      replies_.push_back(std::move(message));
      continue;
    }
    events_.push_back(std::move(message));
    if (events_.size() > kMaxEvents) events_.pop_front();
  }
  pending_.erase(0, begin);
}

}  // namespace zcl::vm
