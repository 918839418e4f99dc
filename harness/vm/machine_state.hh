// SPDX-License-Identifier: MIT
// One running QEMU with all that the host holds of it. Private to vm/.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "harness/vm/agent_connection.hh"
#include "harness/vm/fault_monitor.hh"
#include "harness/vm/instruction_counter.hh"
#include "harness/vm/machine.hh"
#include "harness/vm/qemu_command.hh"
#include "harness/vm/qemu_process.hh"
#include "harness/vm/qmp_client.hh"
#include "harness/vm/template_store.hh"

namespace zcl::vm {

/// What QEMU starts from: the kernel, or nothing (it then waits for an incoming migration).
struct BootSource {
  std::string kernel;
  std::string initramfs;
};

class MachineState final : public FaultWatch {
 public:
  /// Starts QEMU on `ram`. Throws EnvironmentError when it cannot be started.
  MachineState(const MachineSpec& spec, const MachineOptions& options,
               const Accelerator& accelerator, base::FileDescriptor ram,
               const std::optional<BootSource>& boot);
  ~MachineState() override;

  /// Boots to the agent's first answer. Throws GuestFault, EnvironmentError.
  void wait_for_boot();
  /// Loads the device state and runs from there; the memory must be in place. Throws GuestFault,
  /// EnvironmentError.
  void wake(const Template& from);
  /// Writes the device state (all but RAM) of the machine, which stops. Throws EnvironmentError.
  base::Bytes save_device_state();

  nlohmann::json qmp(const std::string& command, const nlohmann::json& arguments);
  std::string monitor(const std::string& command_line);
  nlohmann::json wait_qmp_event(const std::string& name, const std::string& device);

  // FaultWatch
  void add_to_poll(std::vector<pollfd>& waits) override { faults->add_to_poll(waits); }
  /// Throws EnvironmentError too, where QEMU ended because /dev/shm is full.
  void service() override;
  FaultReport diagnose(const std::string& waited_for, bool agent_answers) override;

  /// Whether the agent answers a ping before Deadlines::progress. Throws GuestFault.
  bool agent_answers();

  MachineSpec spec;
  MachineOptions options;
  base::FileDescriptor ram;
  std::map<std::string, base::FileDescriptor> cables;
  std::optional<InstructionCounter> counter;
  std::shared_ptr<AgentConnection> connection;
  std::optional<AgentClient> agent;
  std::optional<GuestMemory> memory;
  std::shared_ptr<Template> origin;
  std::optional<FaultMonitor> faults;

 private:
  /// Runs `operation` on the monitor; QEMU's end in the middle becomes the machine's fault.
  template <typename Operation>
  auto guarded(Operation operation);
  [[noreturn]] void qemu_ended();
  /// "signal 6 (Aborted): what it said", once it has ended.
  std::optional<std::string> end_of_qemu(const base::Deadline& deadline);
  void require_shared_memory();
  [[nodiscard]] bool triple_fault_logged() const;
  /// FaultSources::frame_of_cpu.
  [[nodiscard]] std::optional<TraceFrame> module_frame_of(unsigned cpu) const;

  base::Deadline total_;
  base::FileDescriptor reset_log_;
  std::unique_ptr<QmpClient> qmp_;
  ChildProcess qemu_;
};

}  // namespace zcl::vm
