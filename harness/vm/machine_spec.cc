// SPDX-License-Identifier: MIT
#include "harness/vm/machine_spec.hh"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "harness/base/error.hh"

namespace zcl::vm {

NLOHMANN_JSON_SERIALIZE_ENUM(Chipset, {{Chipset::q35, "q35"}, {Chipset::pc, "pc"}})
NLOHMANN_JSON_SERIALIZE_ENUM(Mode, {{Mode::count, "count"}, {Mode::speed, "speed"}})
NLOHMANN_JSON_SERIALIZE_ENUM(Accel,
                             {{Accel::automatic, "auto"}, {Accel::kvm, "kvm"}, {Accel::tcg, "tcg"}})

namespace {

constexpr unsigned kMinMemoryMib = 512;
constexpr unsigned kMaxMemoryMib = 6144;
constexpr unsigned kMaxCpus = 4;
constexpr std::size_t kMaxNics = 8;
constexpr std::size_t kMaxNameLength = 32;
constexpr std::uint64_t kPageSize = 4096;
const std::set<std::string> kNicModels = {"e1000", "e1000e", "rtl8139", "virtio-net-pci"};

[[noreturn]] void refuse(const std::string& what) {
  throw UsageError("No machine can be made of this: " + what + ".");
}

void require(bool condition, const std::string& otherwise) {
  if (!condition) refuse(otherwise);
}

bool is_name(const std::string& text) {
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-' || c == '.';
  };
  return !text.empty() && text.size() <= kMaxNameLength &&
         std::all_of(text.begin(), text.end(), allowed);
}

/// Safe within one word of the kernel's command line and one value of QEMU's.
bool is_word(const std::string& text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return c > ' ' && c < 0x7f && c != ',' && c != '"';
  });
}

bool is_kernel_argument(const std::string& text) {
  return !text.empty() && std::all_of(text.begin(), text.end(),
                                      [](char c) { return c > ' ' && c < 0x7f && c != '"'; });
}

void validate_nics(const MachineSpec& spec) {
  require(spec.nics.size() <= kMaxNics, "at most 8 nics, not " + std::to_string(spec.nics.size()));
  std::set<std::string> ids;
  for (const auto& nic : spec.nics) {
    require(is_name(nic.id), "nic id \"" + nic.id + "\" (letters, digits, - _ . only)");
    require(ids.insert(nic.id).second, "two nics with the id \"" + nic.id + "\"");
    require(kNicModels.contains(nic.model),
            "nic \"" + nic.id + "\" of model \"" + nic.model +
                "\" (there are e1000, e1000e, rtl8139, virtio-net-pci)");
    require(nic.hub.empty() || is_name(nic.hub), "hub name \"" + nic.hub + "\"");
    for (const auto& [name, value] : nic.properties) {
      require(is_name(name) && is_word(value),
              "property " + name + "=" + value + " of nic \"" + nic.id + "\"");
    }
  }
  for (const auto& nic : spec.nics) {
    require(nic.hub.empty() || !ids.contains(nic.hub),
            "\"" + nic.hub + "\" is a nic and a hub at once");
  }
}

void validate_regions(const MachineSpec& spec) {
  for (const auto& region : spec.reserved) {
    const std::string text =
        "reserved region of " + std::to_string(region.size) + " at " + std::to_string(region.start);
    require(region.size > 0 && region.size % kPageSize == 0 && region.start % kPageSize == 0,
            text + " (whole pages of 4096 bytes)");
    require(region.start >= (1U << 20), text + " (the first MiB belongs to the firmware)");
    require(region.start <= UINT64_MAX - region.size, text);
  }
}

}  // namespace

void validate(const MachineSpec& spec) {
  require(spec.memory_mib >= kMinMemoryMib && spec.memory_mib <= kMaxMemoryMib,
          "memory_mib " + std::to_string(spec.memory_mib) + " (512 to 6144)");
  require(spec.cpus >= 1 && spec.cpus <= kMaxCpus,
          "cpus " + std::to_string(spec.cpus) + " (1 to 4)");
  require(spec.mode != Mode::count || spec.cpus == 1,
          "cpus " + std::to_string(spec.cpus) + " in count mode (exactly 1)");
  require(spec.mode != Mode::count || spec.accel != Accel::kvm,
          "accelerator kvm in count mode (instructions are counted under tcg)");
  require(!spec.intel_iommu || spec.chipset == Chipset::q35, "intel_iommu on pc (q35 only)");
  validate_nics(spec);
  validate_regions(spec);
  for (const auto& argument : spec.kernel_args) {
    require(is_kernel_argument(argument), "kernel argument \"" + argument + "\"");
  }
  for (const auto& module : spec.boot_modules) {
    require(is_name(module), "boot module \"" + module + "\"");
  }
  require(is_name(spec.kernel), "kernel \"" + spec.kernel + "\"");
}

NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(NicSpec, id, model, hub, properties)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(ReservedRegion, start, size)

void to_json(nlohmann::json& json, const MachineSpec& spec) {
  json = {{"chipset", spec.chipset},
          {"memory_mib", spec.memory_mib},
          {"cpus", spec.cpus},
          {"nics", spec.nics},
          {"edu", spec.edu},
          {"intel_iommu", spec.intel_iommu},
          {"init_on_free", spec.init_on_free},
          {"five_level_paging", spec.five_level_paging},
          {"reserved", spec.reserved},
          {"kernel_args", spec.kernel_args},
          {"boot_modules", spec.boot_modules},
          {"kernel", spec.kernel},
          {"mode", spec.mode},
          {"accel", spec.accel}};
}

namespace {

/// An enumeration's name; the library would take an unknown one for the first.
template <typename Enum>
void read_enum(const nlohmann::json& json, const char* key, Enum& to) {
  if (!json.contains(key)) return;
  const auto value = json.at(key).get<Enum>();
  if (nlohmann::json(value) != json.at(key)) {
    refuse(std::string(key) + " " + json.at(key).dump());
  }
  to = value;
}

template <typename T>
void read(const nlohmann::json& json, const char* key, T& to) {
  if (json.contains(key)) json.at(key).get_to(to);
}

}  // namespace

void from_json(const nlohmann::json& json, MachineSpec& spec) {
  spec = MachineSpec{};
  read_enum(json, "chipset", spec.chipset);
  read(json, "memory_mib", spec.memory_mib);
  read(json, "cpus", spec.cpus);
  read(json, "nics", spec.nics);
  read(json, "edu", spec.edu);
  read(json, "intel_iommu", spec.intel_iommu);
  read(json, "init_on_free", spec.init_on_free);
  read(json, "five_level_paging", spec.five_level_paging);
  read(json, "reserved", spec.reserved);
  read(json, "kernel_args", spec.kernel_args);
  read(json, "boot_modules", spec.boot_modules);
  read(json, "kernel", spec.kernel);
  read_enum(json, "mode", spec.mode);
  read_enum(json, "accel", spec.accel);
}

}  // namespace zcl::vm
