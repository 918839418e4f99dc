// SPDX-License-Identifier: MIT
// Where a submission is compiled: bubblewrap, no network, nothing of the host but the toolchain.
#pragma once

#include <filesystem>
#include <string>

#include "harness/lab/build.hh"

namespace zcl::grade {

/// A runner that confines a build command: its own namespaces (no network, no processes of others),
/// /usr read-only, an empty home, only `tree` writable, and bounded memory, processor time and file
/// size of each process.
lab::CommandRunner sandboxed(const std::filesystem::path& tree);

/// Empty where the sandbox works on this machine, else why it does not. Proved by running one.
std::string why_no_sandbox();

}  // namespace zcl::grade
