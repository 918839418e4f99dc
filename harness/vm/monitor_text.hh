// SPDX-License-Identifier: MIT
// Reading what QEMU's monitor prints. The guest can influence the values, never the form; text of
// another form is an EnvironmentError (another QEMU).
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

#include "harness/vm/machine.hh"

namespace zcl::vm {

/// "info registers".
CpuRegisters parse_registers(const std::string& text);
/// "xp /1xw": "000000000009fc00: 0x00000001".
std::uint32_t parse_memory_word(const std::string& text);
/// The address of memory BAR `bar` of the device with QEMU id `device_id` in the answer to
/// "query-pci"; nothing where it has none, or none that is mapped.
std::optional<PhysicalAddress> find_bar(const nlohmann::json& buses, const std::string& device_id,
                                        unsigned bar);

}  // namespace zcl::vm
