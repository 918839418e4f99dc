// SPDX-License-Identifier: MIT
// A program of the host inside a guest, with the shared libraries that it needs.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "harness/vm/agent_client.hh"

namespace zcl::vm {

/// The shared libraries of a dynamically linked program of the host and their loader, as absolute
/// paths; empty for a static one. Runs the host's loader on it (ldd), so only for programs that we
/// built ourselves. Throws EnvironmentError where one is missing.
std::vector<std::filesystem::path> shared_libraries(const std::filesystem::path& program);

/// Puts the program into the guest at `guest_path`, and each of its libraries where the host has
/// it.
void put_program(AgentClient& agent, const std::filesystem::path& program,
                 const std::string& guest_path);

}  // namespace zcl::vm
