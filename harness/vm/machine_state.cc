// SPDX-License-Identifier: MIT
#include "harness/vm/machine_state.hh"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>

#include "harness/base/error.hh"
#include "harness/base/paths.hh"
#include "harness/vm/guest_ram.hh"
#include "harness/vm/module_code.hh"
#include "harness/vm/monitor_text.hh"
#include "harness/vm/qemu_binary.hh"

namespace zcl::vm {

namespace {

constexpr std::uint64_t kMib = 1U << 20;
/// QEMU beside the guest's memory: code, its translation buffer (1 GiB), thread stacks.
constexpr std::uint64_t kQemuAddressSpace = 6144 * kMib;
constexpr std::uint64_t kQemuFileSize = 64 * kMib;
/// From the end of its monitor to the end of its process.
constexpr std::chrono::seconds kEndOfQemu{30};
constexpr const char* kConsoleId = "console";

/// Memory stays in its file, which both sides map: only the devices migrate.
void prepare_migration(QmpClient& qmp, const base::Deadline& deadline) {
  const auto enable = [](const char* name) {
    return nlohmann::json{{"capability", name}, {"state", true}};
  };
  (void)qmp.execute("migrate-set-capabilities",
                    {{"capabilities", {enable("x-ignore-shared"), enable("events")}}}, deadline);
  // Else QEMU tells the network that the guest has moved: five RARP frames from each card, on its
  // own clock, in the midst of what is measured.
  (void)qmp.execute("migrate-set-parameters", {{"announce-rounds", 0}}, deadline);
}

base::FileDescriptor anonymous_file(const char* name) {
  return base::FileDescriptor(
      base::check_system_call("memfd_create", ::memfd_create(name, MFD_CLOEXEC)));
}

base::FileDescriptor open_for_reading(const std::string& path) {
  base::FileDescriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.valid()) {
    throw EnvironmentError(path + " cannot be read (" + std::strerror(errno) + "): run `make`.");
  }
  return file;
}

ProcessLimits limits_of(const MachineSpec& spec, const MachineOptions& options) {
  ProcessLimits limits;
  limits.address_space = spec.memory_mib * kMib + kQemuAddressSpace;
  limits.file_size = kQemuFileSize;
  limits.cpu_time = options.deadlines.total * (spec.cpus + 1);
  return limits;
}

}  // namespace

MachineState::MachineState(const MachineSpec& wanted, const MachineOptions& wanted_options,
                           const Accelerator& accelerator, base::FileDescriptor memory_file,
                           const std::optional<BootSource>& boot)
    : spec(wanted),
      options(wanted_options),
      ram(std::move(memory_file)),
      total_("life of one machine", wanted_options.deadlines.total) {
  InheritedDescriptors inherited;
  std::vector<base::FileDescriptor> theirs;  // closed here once QEMU has them
  const auto make_channel = [&](base::FileDescriptor& ours) {
    auto [host, guest] = base::socket_pair();
    ours = std::move(host);
    theirs.push_back(std::move(guest));
    return inherited.add(theirs.back().get());
  };
  FaultSources sources;
  base::FileDescriptor qmp_socket;
  base::FileDescriptor agent_socket;
  QemuChannels channels;
  channels.qmp = make_channel(qmp_socket);
  channels.agent = make_channel(agent_socket);
  channels.console = make_channel(sources.console);
  for (const auto& cable : cables_of(spec)) {
    channels.cables.push_back(make_channel(cables[cable]));
  }
  reset_log_ = anonymous_file("reset-log");
  channels.reset_log = inherited.add_path(reset_log_.get());
  channels.memory = inherited.add_path(ram.get());
  const auto inherit_file = [&](const std::string& path) {
    theirs.push_back(open_for_reading(path));
    return inherited.add_path(theirs.back().get());
  };
  if (boot) {
    channels.kernel = inherit_file(boot->kernel);
    channels.initramfs = inherit_file(boot->initramfs);
  } else {
    channels.incoming = true;
  }
  // The template's boot is not counted: the plugin would only slow it down.
  if (spec.mode == Mode::count && !boot) {
    counter.emplace();
    channels.plugin = inherit_file((base::build_root() / "zcl_count.so").string());
    channels.counter_page = inherited.add_path(counter->descriptor());
  }
  std::optional<std::uint64_t> random_seed;
  if (spec.mode == Mode::count) random_seed = options.seed;
  auto arguments = qemu_arguments(spec, accelerator, channels, random_seed);
  arguments.at(0) = qemu_binary().path;
  try {
    qemu_ = ChildProcess::start(arguments, inherited, limits_of(spec, options),
                                child_identity(accelerator.kvm));
  } catch (const std::system_error& error) {
    throw EnvironmentError(std::string("QEMU cannot be started: ") + error.what() + ".");
  }
  qmp_ = std::make_unique<QmpClient>(std::move(qmp_socket));
  sources.console_id = kConsoleId;
  sources.wake_descriptors = {qmp_->descriptor(), qemu_.exit_descriptor()};
  sources.take_event = [this]() -> std::optional<nlohmann::json> {
    try {
      return qmp_->take_event();
    } catch (const QmpClosed&) {
      return std::nullopt;
    }
  };
  sources.qemu_end = [this] {
    return end_of_qemu(base::Deadline("end of QEMU", base::Deadline::Clock::duration::zero()));
  };
  sources.qmp = [this](const std::string& command, const nlohmann::json& values) {
    return qmp_->execute(command, values, base::Deadline("QMP " + command, kEndOfQemu));
  };
  sources.frame_of_cpu = [this](unsigned cpu) { return module_frame_of(cpu); };
  sources.saw_triple_fault = [this] { return triple_fault_logged(); };
  sources.cpus = spec.cpus;
  faults.emplace(std::move(sources), FaultPolicy{options.console_limit, options.stop_at_warning});
  connection = std::make_shared<AgentConnection>(
      std::move(agent_socket), this,
      AgentDeadlines{options.deadlines.request, options.deadlines.progress});
  std::map<std::string, std::string> slots;
  for (const auto& nic : spec.nics) slots[nic.id] = pci_slot(spec, nic.id);
  agent.emplace(connection, slots);
}

MachineState::~MachineState() {
  if (connection) connection->detach();
}

template <typename Operation>
auto MachineState::guarded(Operation operation) {
  try {
    return operation();
  } catch (const QmpClosed&) {
    qemu_ended();
  }
}

void MachineState::wait_for_boot() {
  const base::Deadline deadline("boot of the guest", options.deadlines.boot);
  guarded([&] { qmp_->negotiate(deadline); });
  const auto errors = connection->synchronise(deadline);
  if (!errors.empty()) throw EnvironmentError("The guest did not boot well: " + errors.front());
}

void MachineState::wake(const Template& from) {
  const base::Deadline deadline("start of a clone", options.deadlines.clone);
  const auto state = from.open_device_state();
  guarded([&] {
    qmp_->negotiate(deadline);
    prepare_migration(*qmp_, deadline);
    qmp_->send_descriptor("state", state.get(), deadline);
    (void)qmp_->execute("migrate-incoming", {{"uri", "fd:state"}}, deadline);
  });
  (void)connection->synchronise(deadline);
}

base::Bytes MachineState::save_device_state() {
  const base::Deadline deadline("saving the guest's devices", options.deadlines.clone);
  const auto file = anonymous_file("device-state");
  guarded([&] {
    prepare_migration(*qmp_, deadline);
    qmp_->send_descriptor("state", file.get(), deadline);
    (void)qmp_->execute("migrate", {{"uri", "fd:state"}}, deadline);
    for (;;) {
      const auto event = qmp_->wait_event("MIGRATION", {}, deadline);
      const auto status = event.at("data").value("status", "");
      if (status == "completed") return;
      if (status == "failed" || status == "cancelled") {
        throw EnvironmentError("QEMU could not save the booted machine: " + qemu_.messages());
      }
    }
  });
  return base::read_file("/proc/self/fd/" + std::to_string(file.get()));
}

nlohmann::json MachineState::qmp(const std::string& command, const nlohmann::json& arguments) {
  service();
  const base::Deadline deadline("QMP " + command, options.deadlines.request);
  return guarded([&] { return qmp_->execute(command, arguments, deadline); });
}

std::string MachineState::monitor(const std::string& command_line) {
  service();
  const base::Deadline deadline("monitor " + command_line, options.deadlines.request);
  return guarded([&] { return qmp_->human(command_line, deadline); });
}

nlohmann::json MachineState::wait_qmp_event(const std::string& name, const std::string& device) {
  const base::Deadline deadline("event " + name, options.deadlines.request);
  return guarded([&] { return qmp_->wait_event(name, device, deadline); });
}

bool MachineState::agent_answers() {
  try {
    agent->ping(base::Deadline("answer to a ping", options.deadlines.progress));
    return true;
  } catch (const GuestError&) {
    return false;
  }
}

void MachineState::service() {
  require_shared_memory();
  faults->service();
  if (!total_.passed()) return;
  throw GuestFault(faults->diagnose(total_.name(), true));
}

FaultReport MachineState::diagnose(const std::string& waited_for, bool agent_answers) {
  require_shared_memory();
  return faults->diagnose(waited_for, agent_answers);
}

void MachineState::qemu_ended() {
  (void)end_of_qemu(base::Deadline("end of QEMU", kEndOfQemu));
  service();
  throw GuestFault(
      {FaultKind::qemu_died, "QEMU closed its monitor and lives on", faults->console().tail(), {}});
}

std::optional<std::string> MachineState::end_of_qemu(const base::Deadline& deadline) {
  const auto end = qemu_.wait(deadline);
  if (!end) return std::nullopt;
  std::string how = "QEMU ended with exit status " + std::to_string(end->exit_status);
  if (end->signal != 0) {
    how = "QEMU was ended by signal " + std::to_string(end->signal) + " (" +
          ::strsignal(end->signal) + ")";
  }
  const auto messages = qemu_.messages();
  return messages.empty() ? how : how + ": " + messages;
}

/// A page of guest memory that /dev/shm has no room for ends QEMU with SIGBUS.
void MachineState::require_shared_memory() {
  const auto end =
      qemu_.wait(base::Deadline("end of QEMU", base::Deadline::Clock::duration::zero()));
  if (end && end->signal == SIGBUS && shared_memory_free() < kMib) throw_shared_memory_full(kMib);
}

std::optional<TraceFrame> MachineState::module_frame_of(unsigned cpu) const {
  if (!memory || !origin) return std::nullopt;
  const auto text = qmp_->execute("human-monitor-command",
                                  {{"command-line", "info registers"}, {"cpu-index", cpu}},
                                  base::Deadline("QMP info registers", kEndOfQemu));
  const auto registers = parse_registers(text.get<std::string>());
  const KernelView kernel(*memory, origin->symbols(), registers.address_space());
  return innermost_module_frame(kernel, registers);
}

bool MachineState::triple_fault_logged() const {
  const auto log = base::read_text_file("/proc/self/fd/" + std::to_string(reset_log_.get()));
  return log.find("Triple fault") != std::string::npos;
}

}  // namespace zcl::vm
