// SPDX-License-Identifier: MIT
// Contexts of procedures: starting machines and putting the lab's artefacts into them.
#include <algorithm>
#include <cerrno>

#include "harness/base/file_descriptor.hh"
#include "harness/lab/procedure.hh"

namespace zcl::lab {

namespace {

/// Where a lab's artefacts stand in the guest.
const std::filesystem::path kGuestFolder = "/zcl";

constexpr unsigned kExecutable = 0755;

bool exists_in_guest(vm::Machine& machine, const std::string& path) {
  try {
    machine.agent().get_file(path);
    return true;
  } catch (const vm::GuestError& error) {
    if (error.error_number() != ENOENT) throw;
    return false;
  }
}

/// The declared path whose file name is `name`. Throws std::logic_error.
const std::string& declared(const std::vector<std::string>& paths, const std::string& name) {
  const auto found = std::find_if(paths.begin(), paths.end(), [&](const std::string& path) {
    return std::filesystem::path(path).filename() == name;
  });
  if (found == paths.end()) throw std::logic_error("lab.json declares no " + name);
  return *found;
}

}  // namespace

vm::Machine Context::start(const std::string& name,
                           const std::function<void(vm::MachineSpec&)>& adjust) {
  const auto found = built_.lab.machines.find(name);
  if (found == built_.lab.machines.end()) {
    throw std::logic_error("lab.json declares no machine " + name);
  }
  vm::MachineSpec spec = found->second;
  spec.kernel = options_.kernel;
  spec.accel = options_.accel;
  if (options_.mode) spec.mode = *options_.mode;
  if (adjust) adjust(spec);
  if (spec.mode == vm::Mode::count) spec.cpus = 1;
  mode_ = spec.mode;
  vm::MachineOptions machine_options;
  machine_options.seed = options_.seed;
  return vm::Machine::start(spec, machine_options);
}

void Context::load(vm::Machine& machine, const std::string& module, const std::string& parameters) {
  const auto path = kGuestFolder / (module + ".ko");
  const auto& relative = declared(built_.lab.modules, module + ".ko");
  const auto object = built_.artefact(relative);
  machine.know_module(module, object);
  machine.agent().put_file(path, base::read_file(object));
  machine.agent().load_module(path, parameters);
}

std::string Context::install(vm::Machine& machine, const std::string& program) {
  const auto path = kGuestFolder / program;
  const std::string mark = path.string() + ".installed";
  if (exists_in_guest(machine, mark)) return path;
  const auto& relative = declared(built_.lab.programs, program);
  machine.agent().put_file(path, base::read_file(built_.artefact(relative)), kExecutable);
  machine.agent().put_file(mark, {});
  return path;
}

wire::Link Context::link(vm::Machine& machine, const std::string& nic_or_hub) {
  return wire::Link(machine.take_nic_socket(nic_or_hub));
}

void CheckContext::require_quiet_kernel(const vm::Machine& machine) {
  if (const auto report = machine.alarming()) {
    throw CheckFailed("The kernel logged something alarming: " + report->summary + "\n" +
                      report->console_tail);
  }
}

}  // namespace zcl::lab
