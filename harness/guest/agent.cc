// SPDX-License-Identifier: MIT
#include "harness/guest/agent.hh"

#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <sys/wait.h>

#include <algorithm>
#include <csignal>
#include <ctime>

#include "harness/guest/modules.hh"
#include "harness/guest/network.hh"
#include "harness/guest/request_error.hh"
#include "harness/guest/system_setup.hh"

namespace zcl::guest {

namespace {

constexpr std::size_t kMaxKeptOutput = 16U << 20;

Descriptor edge_events_of(int fd) {
  Descriptor events(::epoll_create1(EPOLL_CLOEXEC));
  epoll_event event{};
  event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
  if (::epoll_ctl(events.get(), EPOLL_CTL_ADD, fd, &event) < 0) refuse("epoll");
  return events;
}

Descriptor child_signals() {
  sigset_t child;
  ::sigemptyset(&child);
  ::sigaddset(&child, SIGCHLD);
  return Descriptor(::signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK));
}

timespec to_timespec(std::uint64_t ns) {
  timespec time{};
  time.tv_sec = static_cast<time_t>(ns / 1'000'000'000);
  time.tv_nsec = static_cast<long>(ns % 1'000'000'000);
  return time;
}

nlohmann::json exit_event(std::uint64_t handle, int status, const rusage& usage) {
  return {{key::kEvent, event::kExit},
          {key::kHandle, handle},
          {key::kStatus, WIFEXITED(status) ? WEXITSTATUS(status) : 0},
          {key::kSignal, WIFSIGNALED(status) ? WTERMSIG(status) : 0},
          {key::kMinorFaults, static_cast<std::uint64_t>(usage.ru_minflt)},
          {key::kMajorFaults, static_cast<std::uint64_t>(usage.ru_majflt)},
          {key::kVoluntarySwitches, static_cast<std::uint64_t>(usage.ru_nvcsw)},
          {key::kInvoluntarySwitches, static_cast<std::uint64_t>(usage.ru_nivcsw)}};
}

}  // namespace

Agent::Agent(Descriptor port, std::vector<std::string> boot_errors, bool leave_at_hangup)
    : port_(std::move(port)),
      port_events_(edge_events_of(port_.get())),
      child_signal_(child_signals()),
      boot_errors_(std::move(boot_errors)),
      leave_at_hangup_(leave_at_hangup) {
  ::fcntl(port_.get(), F_SETFL, ::fcntl(port_.get(), F_GETFL) | O_NONBLOCK);
  listener_.output = [this](std::uint64_t handle, int stream, std::vector<std::uint8_t> data) {
    send({{key::kEvent, event::kOutput},
          {key::kHandle, handle},
          {key::kStream, stream},
          {key::kData, binary(std::move(data))}});
  };
  listener_.input_done = [this](std::uint64_t id, int error_number) {
    if (error_number == 0) {
      reply(id);
    } else {
      reply_error(id, error_number, "the program does not read its input");
    }
  };
}

Agent::~Agent() = default;

void Agent::run() {
  send({{key::kEvent, event::kReady}, {key::kVersion, kProtocolVersion}});
  while (!(hung_up_ && leave_at_hangup_)) {
    transmit();
    wait();
    service_port();
    for (auto& [handle, process] : processes_) process->service(may_send());
    reap();
    wake_sleepers();
  }
}

void Agent::wait() {
  std::vector<pollfd> waits = {{port_events_.get(), POLLIN, 0}, {child_signal_.get(), POLLIN, 0}};
  for (const auto& sleep : sleeps_) waits.push_back({sleep.timer.get(), POLLIN, 0});
  for (const auto& [handle, process] : processes_) process->add_to_poll(waits, may_send());
  ::poll(waits.data(), waits.size(), -1);
}

void Agent::service_port() {
  epoll_event event{};
  if (::epoll_wait(port_events_.get(), &event, 1, 0) <= 0) return;
  receive();
  if ((event.events & (EPOLLHUP | EPOLLRDHUP)) != 0) {
    // The host has gone: what it had begun to send, and what it had not yet taken, is void.
    hung_up_ = true;
    reader_.reset();
    unsent_.clear();
    sent_ = 0;
  }
}

void Agent::receive() {
  std::vector<std::uint8_t> buffer(65536);
  for (;;) {
    const ssize_t got = ::read(port_.get(), buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return;
    reader_.append({buffer.data(), static_cast<std::size_t>(got)});
    while (const auto request = reader_.next()) handle(*request);
  }
}

void Agent::transmit() {
  while (sent_ < unsent_.size()) {
    const ssize_t put = ::write(port_.get(), unsent_.data() + sent_, unsent_.size() - sent_);
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) break;
    sent_ += static_cast<std::size_t>(put);
  }
  unsent_.erase(unsent_.begin(), unsent_.begin() + static_cast<std::ptrdiff_t>(sent_));
  sent_ = 0;
}

void Agent::reap() {
  signalfd_siginfo ignored;
  while (::read(child_signal_.get(), &ignored, sizeof ignored) > 0) {
  }
  int status = 0;
  rusage usage{};
  pid_t pid = 0;
  while ((pid = ::wait4(-1, &status, WNOHANG, &usage)) > 0) {
    const auto task = std::find_if(tasks_.begin(), tasks_.end(),
                                   [pid](const Task& each) { return each.pid() == pid; });
    if (task != tasks_.end()) {
      try {
        task->result(status);
        reply(task->request_id());
      } catch (const RequestError& error) {
        reply_error(task->request_id(), error.error_number(), error.what());
      }
      tasks_.erase(task);
      continue;
    }
    const auto found = std::find_if(processes_.begin(), processes_.end(),
                                    [pid](const auto& each) { return each.second->pid() == pid; });
    if (found == processes_.end()) continue;  // an orphan: reaping it is all that init owes it
    found->second->finish();
    send(exit_event(found->first, status, usage));
    processes_.erase(found);
  }
}

void Agent::wake_sleepers() {
  for (auto sleep = sleeps_.begin(); sleep != sleeps_.end();) {
    std::uint64_t ticks = 0;
    if (::read(sleep->timer.get(), &ticks, sizeof ticks) == sizeof ticks) {
      reply(sleep->request_id);
      sleep = sleeps_.erase(sleep);
    } else {
      ++sleep;
    }
  }
}

void Agent::send(Message message) {
  const auto frame = encode_frame(std::move(message));
  unsent_.insert(unsent_.end(), frame.begin(), frame.end());
}

void Agent::reply(std::uint64_t id, Message result) {
  result[key::kId] = id;
  send(std::move(result));
}

void Agent::reply_error(std::uint64_t id, int error_number, const std::string& text) {
  send({{key::kId, id}, {key::kErrno, error_number}, {key::kText, text}});
}

void Agent::handle(const Message& request) {
  std::uint64_t id = 0;
  try {
    const Fields fields(request);
    id = fields.number(key::kId);
    const std::string& operation = fields.text(key::kOp);
    if (begin(id, operation, fields)) return;
    if (auto result = answer(operation, fields)) {
      reply(id, std::move(*result));
    } else {
      reply_error(id, ENOSYS, "unknown operation " + operation.substr(0, 64));
    }
  } catch (const RequestError& error) {
    reply_error(id, error.error_number(), error.what());
  } catch (const ProtocolError& error) {
    reply_error(id, EPROTO, error.what());
  } catch (const std::exception& error) {  // memory, most likely
    reply_error(id, ENOMEM, error.what());
  }
}

std::optional<Agent::Message> Agent::answer(const std::string& operation, const Fields& fields) {
  const auto done = Message::object();
  if (operation == op::kPing) return done;
  if (operation == op::kHello) return hello();
  if (operation == op::kPut) {
    put_chunk(fields.text(key::kPath), static_cast<unsigned>(fields.number(key::kMode, 07777)),
              fields.number(key::kOffset, INT64_MAX), fields.bytes(key::kData));
    return done;
  }
  if (operation == op::kGet) {
    auto chunk = chunks_.read(fields.text(key::kPath), fields.number(key::kOffset, INT64_MAX),
                              fields.number(key::kSize, kMaxChunk));
    return Message{{key::kData, binary(std::move(chunk.data))}, {key::kEnd, chunk.end}};
  }
  if (operation == op::kReadText) {
    const std::string text = read_text(fields.text(key::kPath));
    return Message{{key::kText, binary({text.begin(), text.end()})}};
  }
  if (operation == op::kWriteText) {
    write_text(fields.text(key::kPath), fields.text(key::kText));
    return done;
  }
  if (operation == op::kStart) return start(fields);
  if (operation == op::kSignal) {
    process(fields).send_signal(static_cast<int>(fields.number(key::kSignal, 64)));
    return done;
  }
  if (operation == op::kResize) {
    process(fields).resize(static_cast<unsigned short>(fields.number(key::kRows, 0xffff)),
                           static_cast<unsigned short>(fields.number(key::kColumns, 0xffff)));
    return done;
  }
  if (operation == op::kForget) {
    process(fields).send_signal(SIGKILL);
    return done;
  }
  if (operation == op::kInterfaceUp) {
    interface_up(fields.text(key::kInterface), fields.text(key::kAddress),
                 static_cast<unsigned>(fields.number(key::kPrefix, 32)));
    return done;
  }
  if (operation == op::kInterfaceDown) {
    interface_down(fields.text(key::kInterface));
    return done;
  }
  if (operation == op::kInterfaceAt) {
    return Message{{key::kInterface, interface_at(fields.text(key::kSlot))}};
  }
  if (operation == op::kEntropy) {
    add_entropy(fields.bytes(key::kData));
    return done;
  }
  if (operation == op::kClock) {
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    return Message{{key::kNanoseconds, static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 +
                                           static_cast<std::uint64_t>(now.tv_nsec)}};
  }
  return std::nullopt;
}

bool Agent::begin(std::uint64_t id, const std::string& operation, const Fields& fields) {
  if (operation == op::kInput) {
    process(fields).write(id, fields.bytes(key::kData), fields.flag(key::kInputEnd));
  } else if (operation == op::kSleep) {
    begin_sleep(id, fields.number(key::kNanoseconds, INT64_MAX));
  } else if (operation == op::kLoadStock) {
    tasks_.emplace_back(
        id, [&] { load_stock_module(fields.text(key::kName), fields.text(key::kParameters)); });
  } else if (operation == op::kLoadModule) {
    tasks_.emplace_back(
        id, [&] { load_module_file(fields.text(key::kPath), fields.text(key::kParameters)); });
  } else if (operation == op::kUnloadModule) {
    tasks_.emplace_back(id, [&] { unload_module(fields.text(key::kName)); });
  } else if (operation == op::kPciRemove) {
    tasks_.emplace_back(id, [&] { pci_remove(fields.text(key::kAddress)); });
  } else if (operation == op::kPciRescan) {
    tasks_.emplace_back(id, [] { pci_rescan(); });
  } else {
    return false;
  }
  return true;
}

Agent::Message Agent::hello() {
  start_session();
  return {{key::kVersion, kProtocolVersion},
          {key::kPid, static_cast<std::uint64_t>(::getpid())},
          {key::kBootErrors, boot_errors_}};
}

/// A new host knows nothing of what an earlier one had begun.
void Agent::start_session() {
  hung_up_ = false;
  unsent_.clear();
  sent_ = 0;
  sleeps_.clear();
  tasks_.clear();
  processes_.clear();  // kills them; reap() finds them as orphans
}

Agent::Message Agent::start(const Fields& fields) {
  if (processes_.size() >= kMaxProcesses) refuse("too many programs", EAGAIN);
  ProgramStart program;
  program.argv = fields.texts(key::kArgv);
  if (program.argv.empty()) refuse("no program named", EINVAL);
  program.environment = fields.texts(key::kEnvironment);
  program.uid = static_cast<unsigned>(fields.number(key::kUid, UINT32_MAX));
  program.stream = fields.flag(key::kStream);
  program.output_limit =
      fields.number(key::kOutputLimit, program.stream ? INT64_MAX : kMaxKeptOutput);
  program.terminal = fields.flag(key::kTerminal);
  program.rows = static_cast<unsigned short>(fields.number(key::kRows, 0xffff));
  program.columns = static_cast<unsigned short>(fields.number(key::kColumns, 0xffff));
  program.input = fields.bytes(key::kData);
  program.input_end = fields.flag(key::kInputEnd);
  const std::uint64_t handle = next_handle_++;
  auto process = std::make_unique<Process>(handle, program, listener_);
  const auto pid = static_cast<std::uint64_t>(process->pid());
  processes_.emplace(handle, std::move(process));
  return {{key::kHandle, handle}, {key::kPid, pid}};
}

void Agent::begin_sleep(std::uint64_t id, std::uint64_t nanoseconds) {
  Descriptor timer(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
  itimerspec when{};
  when.it_value = to_timespec(std::max<std::uint64_t>(nanoseconds, 1));
  if (::timerfd_settime(timer.get(), 0, &when, nullptr) < 0) refuse("sleep");
  sleeps_.push_back({id, std::move(timer)});
}

Process& Agent::process(const Fields& fields) {
  const auto found = processes_.find(fields.number(key::kHandle));
  if (found == processes_.end()) refuse("no such program", ESRCH);
  return *found->second;
}

}  // namespace zcl::guest
