// SPDX-License-Identifier: MIT
// The template that a machine is a clone of. Private to vm/.
#pragma once

#include <memory>
#include <string>

#include "harness/vm/machine.hh"
#include "harness/vm/qemu_command.hh"
#include "harness/vm/template_store.hh"

namespace zcl::vm {

/// The template for `spec`, booted where there is none. Throws EnvironmentError, GuestFault.
std::shared_ptr<Template> booted_template(const MachineSpec& spec, const MachineOptions& options,
                                          const Accelerator& accelerator);

/// Where the store keeps it, whether it is there or not.
std::string template_file(const MachineSpec& spec);

/// What `spec` runs on here. Throws EnvironmentError where it asks for KVM and there is none.
Accelerator choose_accelerator(const MachineSpec& spec);

}  // namespace zcl::vm
