// SPDX-License-Identifier: MIT
// A running machine: a fresh clone of a booted template.
#pragma once

#include <chrono>
#include <filesystem>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "harness/base/file_descriptor.hh"
#include "harness/vm/agent_client.hh"
#include "harness/vm/counters.hh"
#include "harness/vm/guest_fault.hh"
#include "harness/vm/guest_memory.hh"
#include "harness/vm/instruction_counter.hh"
#include "harness/vm/kernel_symbols.hh"
#include "harness/vm/machine_spec.hh"
#include "harness/vm/page_table.hh"

namespace zcl::vm {

/// Every wait of a machine. Host time; generous, because a shared machine can stall.
struct Deadlines {
  std::chrono::seconds boot{180};     ///< power-on to the agent's "ready"
  std::chrono::seconds clone{60};     ///< start of QEMU to an answering agent
  std::chrono::seconds request{60};   ///< an agent request without a limit of its own
  std::chrono::seconds progress{30};  ///< without a sign of life of the agent
  std::chrono::seconds total{600};    ///< life of one machine
};

struct MachineOptions {
  Deadlines deadlines;
  std::size_t console_limit = 4U << 20;  ///< bytes; beyond: FaultKind::log_flood
  /// Kinds that end the experiment. A warning is reported by check_console() in any case.
  bool stop_at_warning = false;
  /// Of the guest's random numbers in count mode, which repeat. In speed mode they come from the
  /// host and do not.
  std::uint64_t seed = 1;
};

/// Registers of one vCPU that the walk needs.
struct CpuRegisters {
  std::uint64_t instruction_pointer = 0;
  std::uint64_t stack_pointer = 0;
  PhysicalAddress cr3 = 0;
  std::uint64_t cr4 = 0;
  bool user_mode = false;  ///< CPL 3
  [[nodiscard]] AddressSpace address_space() const;
};

class InstructionCounter;
class MachineState;  // private to vm/

/// Movable, not copyable. The destructor ends QEMU and removes everything the machine left.
/// Operations throw GuestFault once the machine has failed, EnvironmentError where QEMU itself
/// cannot be used.
class Machine {
 public:
  /// A clone of the template for `spec`, booting the template first where there is none.
  static Machine start(const MachineSpec& spec, const MachineOptions& options = {});
  Machine(Machine&&) noexcept;
  Machine& operator=(Machine&&) noexcept;
  ~Machine();

  [[nodiscard]] const MachineSpec& spec() const;
  AgentClient& agent();

  /// The harness's end of a NIC's cable, or of a hub: a stream of frames, each after its length as
  /// a 32-bit big-endian number (QEMU `-netdev stream`). Can be taken once.
  base::FileDescriptor take_nic_socket(const std::string& nic_or_hub);

  /// Stops all vCPUs. Memory and counters stand still until resume().
  void pause();
  void resume();

  /// Physical memory. Pause first for a consistent view.
  const GuestMemory& memory() const;
  /// Names and addresses of the guest kernel, taken from the template before any student code ran.
  const KernelSymbols& symbols() const;
  CpuRegisters registers(unsigned cpu = 0);
  /// A device register or any physical address as the guest's CPU would read it (QMP "xp").
  std::uint32_t read_physical_u32(PhysicalAddress address);
  /// First memory BAR of a device by QEMU id, as the guest programmed it.
  PhysicalAddress device_bar(const std::string& device_id, unsigned bar = 0);

  /// Count mode only (UsageError else). Totals since this clone started.
  InstructionCounts instructions() const;
  /// For the guest's marks, and accesses by device page. Pause first for a consistent view.
  const InstructionCounter& counter() const;
  InterruptCounts interrupts();

  /// Runs a QMP command and returns what it returned.
  nlohmann::json qmp(const std::string& command, const nlohmann::json& arguments);
  void unplug(const std::string& device_id);
  void set_link(const std::string& nic, bool up);

  /// All of the console since the clone started.
  [[nodiscard]] std::string console() const;
  /// What "the kernel logs nothing alarming" means: empty when the console has no WARNING, BUG,
  /// Oops, lockdep report or new taint since the clone started; else the first report.
  [[nodiscard]] std::optional<FaultReport> alarming() const;
  /// An object file (a built .ko) whose debug information names source lines in the traces of
  /// `module`.
  void know_module(const std::string& module, const std::filesystem::path& object);
  /// Throws GuestFault if the machine has failed.
  void check_alive();
  /// Waits until the machine fails, or the deadline passes (then classified: hang, lockup…).
  FaultReport wait_for_fault(const base::Deadline& deadline);

 private:
  explicit Machine(std::unique_ptr<MachineState> state);
  std::unique_ptr<MachineState> state_;
};

}  // namespace zcl::vm
