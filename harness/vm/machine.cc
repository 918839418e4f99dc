// SPDX-License-Identifier: MIT
#include "harness/vm/machine.hh"

#include <sys/random.h>

#include <nlohmann/json.hpp>

#include "harness/base/error.hh"
#include "harness/base/random.hh"
#include "harness/vm/guest_ram.hh"
#include "harness/vm/interrupt_counter.hh"
#include "harness/vm/machine_state.hh"
#include "harness/vm/machine_template.hh"
#include "harness/vm/monitor_text.hh"

namespace zcl::vm {

namespace {

constexpr std::uint64_t kCr4La57 = 1U << 12;
constexpr std::size_t kEntropyBytes = 64;

/// Clones of one template share the state of its random number generator.
void stir_random_numbers(MachineState& state) {
  auto entropy = base::RandomStream(state.options.seed, "guest entropy").bytes(kEntropyBytes);
  if (state.spec.mode == Mode::speed &&
      ::getrandom(entropy.data(), entropy.size(), 0) != static_cast<ssize_t>(entropy.size())) {
    base::throw_system_error("getrandom");
  }
  state.agent->add_entropy(entropy);
}

}  // namespace

AddressSpace CpuRegisters::address_space() const {
  return {cr3, (cr4 & kCr4La57) != 0 ? 5 : 4};
}

Machine::Machine(std::unique_ptr<MachineState> state) : state_(std::move(state)) {}
Machine::Machine(Machine&&) noexcept = default;
Machine& Machine::operator=(Machine&&) noexcept = default;
Machine::~Machine() = default;

Machine Machine::start(const MachineSpec& spec, const MachineOptions& options) {
  validate(spec);
  const Accelerator accelerator = choose_accelerator(spec);
  const auto origin = booted_template(spec, options, accelerator);
  TemplateStore::make_room(origin->populated());
  auto state = std::make_unique<MachineState>(spec, options, accelerator,
                                              make_guest_ram(origin->ram_size()), std::nullopt);
  origin->copy_ram(state->ram.get());  // while QEMU starts
  state->origin = origin;
  state->memory.emplace("/proc/self/fd/" + std::to_string(state->ram.get()), spec);
  state->wake(*origin);
  if (spec.edu) state->agent->rescan_pci(pci_address(spec, "edu"));
  stir_random_numbers(*state);
  return Machine(std::move(state));
}

const MachineSpec& Machine::spec() const {
  return state_->spec;
}

AgentClient& Machine::agent() {
  return *state_->agent;
}

base::FileDescriptor Machine::take_nic_socket(const std::string& nic_or_hub) {
  const auto cable = state_->cables.find(nic_or_hub);
  if (cable == state_->cables.end()) {
    throw UsageError("The machine has no cable \"" + nic_or_hub + "\", or it is taken.");
  }
  auto socket = std::move(cable->second);
  state_->cables.erase(cable);
  return socket;
}

void Machine::pause() {
  (void)state_->qmp("stop", {});
}

void Machine::resume() {
  (void)state_->qmp("cont", {});
}

const GuestMemory& Machine::memory() const {
  return *state_->memory;
}

const KernelSymbols& Machine::symbols() const {
  return state_->origin->symbols();
}

CpuRegisters Machine::registers(unsigned cpu) {
  if (cpu >= state_->spec.cpus) throw UsageError("The machine has no CPU " + std::to_string(cpu));
  const auto reply = state_->qmp("human-monitor-command",
                                 {{"command-line", "info registers"}, {"cpu-index", cpu}});
  return parse_registers(reply.get<std::string>());
}

std::uint32_t Machine::read_physical_u32(PhysicalAddress address) {
  return parse_memory_word(state_->monitor("xp /1xw " + std::to_string(address)));
}

PhysicalAddress Machine::device_bar(const std::string& device_id, unsigned bar) {
  const auto address = find_bar(state_->qmp("query-pci", {}), device_id, bar);
  if (!address) {
    throw UsageError("The device \"" + device_id + "\" has no memory BAR " + std::to_string(bar) +
                     " that the guest has programmed.");
  }
  return *address;
}

InstructionCounts Machine::instructions() const {
  return counter().snapshot();
}

const InstructionCounter& Machine::counter() const {
  if (!state_->counter) throw UsageError("Instructions are counted in count mode only.");
  return *state_->counter;
}

InterruptCounts Machine::interrupts() {
  return parse_interrupts(state_->monitor(std::string(kInterruptCommand)));
}

nlohmann::json Machine::qmp(const std::string& command, const nlohmann::json& arguments) {
  return state_->qmp(command, arguments);
}

void Machine::unplug(const std::string& device_id) {
  (void)state_->qmp("device_del", {{"id", device_id}});
  (void)state_->wait_qmp_event("DEVICE_DELETED", device_id);
}

void Machine::set_link(const std::string& nic, bool up) {
  (void)state_->qmp("set_link", {{"name", nic}, {"up", up}});
}

std::string Machine::console() const {
  return state_->faults->console().text();
}

std::optional<FaultReport> Machine::alarming() const {
  return state_->faults->alarming();
}

void Machine::know_module(const std::string& module, const std::filesystem::path& object) {
  state_->faults->know_module(module, object);
}

FaultReport Machine::wait_for_fault(const base::Deadline& deadline) {
  return state_->faults->wait_for_fault(deadline, [this] { return state_->agent_answers(); });
}

void Machine::check_alive() {
  state_->service();
}

}  // namespace zcl::vm
