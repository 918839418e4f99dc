// SPDX-License-Identifier: MIT
#include "harness/vm/agent_client.hh"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <csignal>

#include "harness/vm/agent_connection.hh"
#include "harness/vm/guest_fault.hh"

namespace zcl::vm {

namespace {

namespace key = guest::key;
namespace op = guest::op;
using nlohmann::json;

constexpr char kDefaultPath[] = "/bin:/sbin:/usr/bin:/usr/sbin";
/// Of guest time, between two looks for an interface that is not there yet.
constexpr std::uint64_t kInterfacePollNs = 10'000'000;

/// What of a reply cannot be understood is an error of the guest.
template <typename Use>
auto understand(const json& reply, const Use& use) {
  try {
    return use(guest::Fields(reply));
  } catch (const guest::ProtocolError& error) {
    throw GuestError(std::string("guest agent: ") + error.what(), EPROTO);
  }
}

std::string_view first_piece(std::string_view text) {
  return text.substr(0, guest::kMaxChunk);
}

/// The first piece of the input travels along, all of it in most cases: a message that came while
/// the program runs would take the processor from it at a moment that no two runs share.
json program_request(const ProgramRequest& request, bool stream) {
  std::vector<std::string> environment;
  if (!request.environment.contains("PATH")) {
    environment.push_back(std::string("PATH=") + kDefaultPath);
  }
  for (const auto& [name, value] : request.environment) environment.push_back(name + "=" + value);
  const auto input = first_piece(request.input);
  return {{key::kArgv, request.argv},
          {key::kEnvironment, environment},
          {key::kUid, request.uid},
          {key::kOutputLimit, request.output_limit},
          {key::kStream, stream},
          {key::kTerminal, false},
          {key::kRows, 24U},
          {key::kColumns, 80U},
          {key::kData, guest::binary({input.begin(), input.end()})},
          {key::kInputEnd, !stream && input.size() == request.input.size()}};
}

json input_request(std::uint64_t handle, std::string_view piece, bool end) {
  return {{key::kOp, op::kInput},
          {key::kHandle, handle},
          {key::kData, guest::binary({piece.begin(), piece.end()})},
          {key::kInputEnd, end}};
}

/// Waits for the end of a program; at `limit` kills it. The kill itself is bounded too: a program
/// that survives SIGKILL hangs in the kernel.
ProgramResult wait_with_limit(AgentConnection& connection, std::uint64_t handle,
                              const base::Deadline& limit) {
  const auto ended = [&] { return connection.program(handle).ended; };
  bool timed_out = false;
  try {
    connection.wait(ended, limit);
  } catch (const base::DeadlinePassed&) {
    timed_out = true;
    connection.post({{key::kOp, op::kSignal}, {key::kHandle, handle}, {key::kSignal, SIGKILL}});
    const base::Deadline kill("end of a killed program (" + limit.name() + ")",
                              connection.deadlines().request);
    try {
      connection.wait(ended, kill);
    } catch (const base::DeadlinePassed&) {
      connection.give_up(kill);
    }
  }
  auto& program = connection.program(handle);
  ProgramResult result = program.result;
  result.timed_out = timed_out;
  result.output = std::move(program.output);
  result.error = std::move(program.error);
  connection.forget_program(handle);
  return result;
}

}  // namespace

GuestProcess::GuestProcess(std::shared_ptr<AgentConnection> connection, std::uint64_t handle,
                           int pid)
    : connection_(std::move(connection)), handle_(handle), pid_(pid) {}

GuestProcess::GuestProcess(GuestProcess&&) noexcept = default;

GuestProcess& GuestProcess::operator=(GuestProcess&& other) noexcept {
  std::swap(connection_, other.connection_);
  std::swap(handle_, other.handle_);
  std::swap(pid_, other.pid_);
  return *this;
}

GuestProcess::~GuestProcess() {
  if (!connection_ || !connection_->has_program(handle_)) return;
  if (!connection_->program(handle_).ended) {
    connection_->post({{key::kOp, op::kForget}, {key::kHandle, handle_}});
  }
  connection_->forget_program(handle_);
}

std::string GuestProcess::read_line(const base::Deadline& deadline) {
  auto& program = connection_->program(handle_);
  std::size_t newline = std::string::npos;
  connection_->wait(
      [&] {
        newline = program.output.find('\n');
        return newline != std::string::npos || program.ended;
      },
      deadline);
  if (newline == std::string::npos && program.output.empty()) {
    throw GuestError("the program ended before it wrote the line that was waited for", EPIPE);
  }
  std::string line = program.output.substr(0, newline);
  program.output.erase(0, newline == std::string::npos ? newline : newline + 1);
  return line;
}

void GuestProcess::write_input(std::string_view text) {
  while (!text.empty()) {
    const std::string_view piece = text.substr(0, guest::kMaxChunk);
    text.remove_prefix(piece.size());
    connection_->call(input_request(handle_, piece, false));
  }
}

void GuestProcess::close_input() {
  connection_->call(input_request(handle_, {}, true));
}

void GuestProcess::send_signal(int signal) {
  connection_->call({{key::kOp, op::kSignal}, {key::kHandle, handle_}, {key::kSignal, signal}});
}

ProgramResult GuestProcess::wait(const base::Deadline& deadline) {
  auto& program = connection_->program(handle_);
  connection_->wait([&] { return program.ended; }, deadline);
  ProgramResult result = program.result;
  result.output = std::move(program.output);
  result.error = std::move(program.error);
  connection_->forget_program(handle_);
  return result;
}

AgentClient::AgentClient(std::shared_ptr<AgentConnection> connection,
                         std::map<std::string, std::string> slots)
    : connection_(std::move(connection)), slots_(std::move(slots)) {}

void AgentClient::put_file(const std::string& path, base::ByteView content, unsigned mode) {
  std::uint64_t offset = 0;
  do {
    const auto piece = content.first(std::min(content.size(), guest::kMaxChunk));
    content = content.subspan(piece.size());
    connection_->call({{key::kOp, op::kPut},
                       {key::kPath, path},
                       {key::kMode, mode},
                       {key::kOffset, offset},
                       {key::kData, guest::binary({piece.begin(), piece.end()})}});
    offset += piece.size();
  } while (!content.empty());
}

base::Bytes AgentClient::get_file(const std::string& path, std::size_t limit) {
  base::Bytes content;
  for (bool end = false; !end;) {
    const auto reply = connection_->call({{key::kOp, op::kGet},
                                          {key::kPath, path},
                                          {key::kOffset, content.size()},
                                          {key::kSize, guest::kMaxChunk}});
    understand(reply, [&](const guest::Fields& fields) {
      const auto& data = fields.bytes(key::kData);
      end = fields.flag(key::kEnd);
      if (data.empty() && !end) throw guest::ProtocolError("an empty piece of a file");
      content.insert(content.end(), data.begin(), data.end());
    });
    if (content.size() > limit) {
      connection_->post({{key::kOp, op::kGet},
                         {key::kPath, path},
                         {key::kOffset, content.size()},
                         {key::kSize, 0U}});  // closes it
      throw GuestError(path + " is larger than " + std::to_string(limit) + " bytes", EFBIG);
    }
  }
  return content;
}

std::string AgentClient::get_text(const std::string& path) {
  const auto reply = connection_->call({{key::kOp, op::kReadText}, {key::kPath, path}});
  return understand(reply, [](const guest::Fields& fields) {
    const auto& bytes = fields.bytes(key::kText);
    std::string text(bytes.begin(), bytes.end());
    if (text.ends_with('\n')) text.pop_back();
    return text;
  });
}

void AgentClient::write_text(const std::string& path, const std::string& text) {
  connection_->call({{key::kOp, op::kWriteText}, {key::kPath, path}, {key::kText, text}});
}

void AgentClient::load_stock_module(const std::string& name, const std::string& parameters) {
  connection_->call(
      {{key::kOp, op::kLoadStock}, {key::kName, name}, {key::kParameters, parameters}});
}

void AgentClient::load_module(const std::string& path, const std::string& parameters) {
  connection_->call(
      {{key::kOp, op::kLoadModule}, {key::kPath, path}, {key::kParameters, parameters}});
}

void AgentClient::unload_module(const std::string& name) {
  connection_->call({{key::kOp, op::kUnloadModule}, {key::kName, name}});
}

ProgramResult AgentClient::run(const ProgramRequest& request) {
  const base::Deadline limit("time limit of " + request.argv.at(0), request.time_limit);
  const auto reply =
      connection_->start_program(program_request(request, false), request.output_limit);
  const auto handle =
      understand(reply, [](const guest::Fields& fields) { return fields.number(key::kHandle); });
  // Not waited for: a program need not read its input.
  std::string_view input = request.input;
  input.remove_prefix(first_piece(input).size());
  while (!input.empty()) {
    const auto piece = first_piece(input);
    input.remove_prefix(piece.size());
    connection_->post(input_request(handle, piece, input.empty()));
  }
  return wait_with_limit(*connection_, handle, limit);
}

GuestProcess AgentClient::start(const ProgramRequest& request) {
  const auto reply =
      connection_->start_program(program_request(request, true), request.output_limit);
  GuestProcess process = understand(reply, [&](const guest::Fields& fields) {
    return GuestProcess(connection_, fields.number(key::kHandle),
                        static_cast<int>(fields.number(key::kPid, INT32_MAX)));
  });
  process.write_input(std::string_view(request.input).substr(first_piece(request.input).size()));
  return process;
}

void AgentClient::interface_up(const std::string& interface, const std::string& address) {
  const std::size_t slash = address.find('/');
  unsigned prefix = 32;
  if (slash != std::string::npos) {
    const char* end = address.data() + address.size();
    if (std::from_chars(address.data() + slash + 1, end, prefix).ptr != end || prefix > 32) {
      throw std::invalid_argument("interface_up: address " + address);
    }
  }
  connection_->call({{key::kOp, op::kInterfaceUp},
                     {key::kInterface, interface},
                     {key::kAddress, address.substr(0, slash)},
                     {key::kPrefix, prefix}});
}

void AgentClient::interface_down(const std::string& interface) {
  connection_->call({{key::kOp, op::kInterfaceDown}, {key::kInterface, interface}});
}

std::string AgentClient::interface_of(const std::string& nic) {
  const auto slot = slots_.find(nic);
  if (slot == slots_.end()) throw std::out_of_range("this machine has no NIC \"" + nic + "\"");
  const base::Deadline deadline("network interface of " + nic, connection_->deadlines().request);
  while (true) {
    try {
      const auto reply =
          connection_->call({{key::kOp, op::kInterfaceAt}, {key::kSlot, slot->second}}, deadline);
      return understand(reply,
                        [](const guest::Fields& fields) { return fields.text(key::kInterface); });
    } catch (const GuestError& error) {
      // The driver's probe may still be under way.
      if (error.error_number() != ENODEV || deadline.passed()) throw;
    }
    sleep_ns(kInterfacePollNs);
  }
}

void AgentClient::rescan_pci(const std::string& pci_address) {
  connection_->call({{key::kOp, op::kPciRemove}, {key::kAddress, pci_address}});
  connection_->call({{key::kOp, op::kPciRescan}});
}

void AgentClient::add_entropy(base::ByteView bytes) {
  connection_->call(
      {{key::kOp, op::kEntropy}, {key::kData, guest::binary({bytes.begin(), bytes.end()})}});
}

void AgentClient::ping(const base::Deadline& deadline) {
  connection_->call({{key::kOp, op::kPing}}, deadline);
}

std::uint64_t AgentClient::monotonic_ns() {
  return understand(connection_->call({{key::kOp, op::kClock}}),
                    [](const guest::Fields& fields) { return fields.number(key::kNanoseconds); });
}

void AgentClient::sleep_ns(std::uint64_t ns) {
  // A machine may run many times slower than its clock says.
  const auto slack = std::chrono::nanoseconds(20 * std::min<std::uint64_t>(ns, 1'000'000'000'000));
  connection_->call({{key::kOp, op::kSleep}, {key::kNanoseconds, ns}},
                    base::Deadline("sleep of " + std::to_string(ns) + " ns of guest time",
                                   connection_->deadlines().request +
                                       std::chrono::ceil<std::chrono::milliseconds>(slack)));
}

}  // namespace zcl::vm
