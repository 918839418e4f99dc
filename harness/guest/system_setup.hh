// SPDX-License-Identifier: MIT
// What init does before the agent can serve.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "harness/guest/descriptor.hh"

namespace zcl::guest {

/// Mounts proc, sysfs, devtmpfs, devpts, tmpfs and the trace and debug file systems.
/// Appends what failed to `errors`, like all here.
void mount_file_systems(std::vector<std::string>& errors);

/// Lets the host ask the kernel for its tasks' stacks over the serial line (magic SysRq).
void enable_task_dumps(std::vector<std::string>& errors);

/// Keeps the agent alive and answering when the guest's memory is exhausted.
void withstand_memory_exhaustion(std::vector<std::string>& errors);

/// Brings the loopback interface up.
void bring_loopback_up(std::vector<std::string>& errors);

/// Loads the modules listed in kBootModulesFile (none where there is no such file).
void load_boot_modules(std::vector<std::string>& errors);

/// The virtio-serial port named kPortName, waiting for the kernel to find it. Throws RequestError.
Descriptor open_port();

/// Prints a line on the console (and in the kernel's log where there is no console).
void print_on_console(const std::string& line);

/// Gives the kernel's random number generator fresh entropy and makes it draw on it at once.
/// Throws RequestError.
void add_entropy(std::span<const std::uint8_t> data);

}  // namespace zcl::guest
