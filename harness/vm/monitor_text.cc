// SPDX-License-Identifier: MIT
#include "harness/vm/monitor_text.hh"

#include <charconv>
#include <nlohmann/json.hpp>

#include "harness/base/error.hh"

namespace zcl::vm {

namespace {

/// The hexadecimal number after the first `label` that begins a word.
std::uint64_t number_after(const std::string& text, const std::string& label) {
  for (auto at = text.find(label); at != std::string::npos; at = text.find(label, at + 1)) {
    if (at > 0 && text[at - 1] != ' ' && text[at - 1] != '\n' && text[at - 1] != '\r') continue;
    std::uint64_t value = 0;
    const char* begin = text.data() + at + label.size();
    const auto [end, error] = std::from_chars(begin, text.data() + text.size(), value, 16);
    if (error == std::errc() && end != begin) return value;
  }
  throw EnvironmentError("QEMU's monitor does not show " + label + " where 7.2 does.");
}

}  // namespace

CpuRegisters parse_registers(const std::string& text) {
  CpuRegisters registers;
  registers.instruction_pointer = number_after(text, "RIP=");
  registers.stack_pointer = number_after(text, "RSP=");
  registers.cr3 = number_after(text, "CR3=");
  registers.cr4 = number_after(text, "CR4=");
  registers.user_mode = number_after(text, "CPL=") == 3;
  return registers;
}

std::uint32_t parse_memory_word(const std::string& text) {
  return static_cast<std::uint32_t>(number_after(text, "0x"));
}

std::optional<PhysicalAddress> find_bar(const nlohmann::json& buses, const std::string& device_id,
                                        unsigned bar) {
  for (const auto& bus : buses) {
    for (const auto& device : bus.at("devices")) {
      if (device.value("qdev_id", "") == device_id) {
        for (const auto& region : device.at("regions")) {
          const auto address = region.at("address").get<std::uint64_t>();
          const bool mapped = address != 0 && address != UINT64_MAX;
          if (region.at("bar") == bar && region.at("type") == "memory" && mapped) return address;
        }
        return std::nullopt;
      }
      if (!device.contains("pci_bridge")) continue;
      const auto& bridge = device.at("pci_bridge");
      if (!bridge.contains("devices")) continue;
      const nlohmann::json behind = nlohmann::json::array({{{"devices", bridge.at("devices")}}});
      if (const auto found = find_bar(behind, device_id, bar)) return found;
    }
  }
  return std::nullopt;
}

}  // namespace zcl::vm
