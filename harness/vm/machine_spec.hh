// SPDX-License-Identifier: MIT
// What a machine is made of. Plain data: a lab declares it, the template cache is keyed by it.
#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

namespace zcl::vm {

enum class Chipset { q35, pc };

/// `count`: one instruction is one nanosecond of guest time (icount), one vCPU, the counting plugin
/// loaded. `speed`: KVM where proven, else multi-threaded TCG. Figures of the two are never
/// compared.
enum class Mode { count, speed };

enum class Accel { automatic, kvm, tcg };

/// An emulated network card.
struct NicSpec {
  std::string id;     ///< QEMU device id; also how the wire and QMP name it
  std::string model;  ///< QEMU device model: "e1000", "rtl8139", "virtio-net-pci"
  /// Empty: the card's cable ends at the harness (Machine::take_nic_socket). Otherwise the name of
  /// a hub; cards and the harness share its medium.
  std::string hub;
  std::map<std::string, std::string> properties;  ///< QEMU device properties, e.g. mitigation=off
};

/// A range of guest RAM that the kernel is told to leave alone (`memmap=size$start`).
struct ReservedRegion {
  std::uint64_t start = 0;  ///< guest-physical, bytes
  std::uint64_t size = 0;   ///< bytes
};

struct MachineSpec {
  Chipset chipset = Chipset::q35;
  unsigned memory_mib = 512;  ///< 512 … 6144
  unsigned cpus = 1;          ///< 1 … 4; exactly 1 in count mode
  std::vector<NicSpec> nics;
  bool edu = false;          ///< QEMU's teaching PCI device (DMA engine and interrupt)
  bool intel_iommu = false;  ///< q35 only; adds intel_iommu=on iommu=strict
  bool init_on_free = false;
  bool five_level_paging = false;  ///< la57; TCG or a host that has it
  std::vector<ReservedRegion> reserved;
  std::vector<std::string> kernel_args;
  std::vector<std::string> boot_modules;  ///< stock modules loaded before "ready", e.g. "e1000"
  std::string kernel = "6.1";             ///< a series named in harness/vm/kernels.json
  Mode mode = Mode::count;
  Accel accel = Accel::automatic;
};

/// Throws UsageError naming the offending value when no machine can be made of `spec`.
void validate(const MachineSpec& spec);

void to_json(nlohmann::json& json, const MachineSpec& spec);
void from_json(const nlohmann::json& json, MachineSpec& spec);

}  // namespace zcl::vm
