// SPDX-License-Identifier: MIT
#include "harness/vm/qemu_command.hh"

#include <algorithm>
#include <cstdio>

#include "harness/base/error.hh"
#include "harness/guest/protocol.hh"

namespace zcl::vm {

namespace {

// Slots of the root bus. Slot 1 is the pc's bridge, 0x1f the q35's.
constexpr unsigned kAgentSlot = 2;
constexpr unsigned kPanicSlot = 3;
constexpr unsigned kEduSlot = 4;
constexpr unsigned kFirstNicSlot = 0x10;

std::string hexadecimal_byte(unsigned value) {
  char text[8];
  std::snprintf(text, sizeof text, "%02x", value);
  return text;
}

std::string slot_option(unsigned slot) {
  return "addr=0x" + hexadecimal_byte(slot);
}

/// On q35 a card can be unplugged only from a root port; on pc from the root bus itself.
bool behind_root_port(const MachineSpec& spec) {
  return spec.chipset == Chipset::q35;
}

std::string cable_id(const std::string& cable) {
  return "cable-" + cable;
}

/// 52:54:00 is QEMU's own prefix of locally administered addresses.
std::string mac_address(std::size_t index) {
  return "52:54:00:5a:43:" + hexadecimal_byte(static_cast<unsigned>(index) + 1);
}

class Arguments {
 public:
  Arguments& add(const std::string& option, const std::string& value) {
    list_.push_back(option);
    list_.push_back(value);
    return *this;
  }
  Arguments& add(const std::string& option) {
    list_.push_back(option);
    return *this;
  }
  std::vector<std::string> take() { return std::move(list_); }

 private:
  std::vector<std::string> list_;
};

void add_processor(Arguments& to, const MachineSpec& spec, const Accelerator& accelerator,
                   const QemuChannels& channels) {
  std::string model = accelerator.kvm ? "host" : "max";
  model += spec.five_level_paging ? ",la57=on" : ",la57=off";
  if (spec.mode == Mode::count) {
    // A string instruction counts as one whatever it moves, so the kernel must not use them.
    model += ",erms=off";
    to.add("-accel", "tcg,thread=single").add("-icount", "shift=0,sleep=off");
    to.add("-rtc", "base=2026-01-01T00:00:00,clock=vm");
    if (channels.plugin && channels.counter_page) {
      to.add("-plugin", *channels.plugin + ",page=" + *channels.counter_page);
    }
  } else if (accelerator.kvm) {
    to.add("-accel", "kvm");
  } else {
    to.add("-accel", "tcg,thread=multi");
  }
  to.add("-cpu", model).add("-smp", std::to_string(spec.cpus));
}

void add_chardev(Arguments& to, const std::string& id, int fd) {
  to.add("-chardev", "socket,id=" + id + ",fd=" + std::to_string(fd));
}

void add_channels(Arguments& to, const QemuChannels& channels) {
  add_chardev(to, "qmp", channels.qmp);
  add_chardev(to, "console", channels.console);
  add_chardev(to, "agent", channels.agent);
  to.add("-mon", "chardev=qmp,mode=control");
  to.add("-serial", "chardev:console");
  to.add("-device",
         "virtio-serial-pci,id=agent-bus,max_ports=2,romfile=," + slot_option(kAgentSlot));
  to.add("-device",
         std::string("virtserialport,bus=agent-bus.0,chardev=agent,name=") + guest::kPortName);
}

void add_nics(Arguments& to, const MachineSpec& spec, const QemuChannels& channels) {
  const auto cables = cables_of(spec);
  std::vector<std::string> hubs;
  for (const auto& nic : spec.nics) {
    if (!nic.hub.empty() && std::find(hubs.begin(), hubs.end(), nic.hub) == hubs.end()) {
      hubs.push_back(nic.hub);
    }
  }
  for (std::size_t i = 0; i < cables.size(); ++i) {
    to.add("-netdev", "stream,id=" + cable_id(cables[i]) + ",server=off,addr.type=fd,addr.str=" +
                          std::to_string(channels.cables.at(i)));
  }
  for (std::size_t i = 0; i < hubs.size(); ++i) {
    to.add("-netdev", "hubport,id=hub-" + hubs[i] + ",hubid=" + std::to_string(i) +
                          ",netdev=" + cable_id(hubs[i]));
  }
  for (std::size_t i = 0; i < spec.nics.size(); ++i) {
    const auto& nic = spec.nics[i];
    std::string peer = cable_id(nic.id);
    if (!nic.hub.empty()) {
      const auto hub = std::find(hubs.begin(), hubs.end(), nic.hub) - hubs.begin();
      peer = "port-" + nic.id;
      to.add("-netdev", "hubport,id=" + peer + ",hubid=" + std::to_string(hub));
    }
    const unsigned slot = kFirstNicSlot + static_cast<unsigned>(i);
    std::string device = nic.model + ",id=" + nic.id + ",netdev=" + peer + ",romfile=";
    if (behind_root_port(spec)) {
      const std::string port = "port" + std::to_string(i);
      to.add("-device", "pcie-root-port,id=" + port + ",chassis=" + std::to_string(i + 1) + "," +
                            slot_option(slot));
      device += ",bus=" + port + ",addr=0x00";
    } else {
      device += "," + slot_option(slot);
    }
    if (!nic.properties.contains("mac")) device += ",mac=" + mac_address(i);
    for (const auto& [name, value] : nic.properties) device.append(",").append(name + "=" + value);
    to.add("-device", device);
  }
}

}  // namespace

std::vector<std::string> cables_of(const MachineSpec& spec) {
  std::vector<std::string> cables;
  for (const auto& nic : spec.nics) {
    const auto& cable = nic.hub.empty() ? nic.id : nic.hub;
    if (std::find(cables.begin(), cables.end(), cable) == cables.end()) cables.push_back(cable);
  }
  return cables;
}

std::string kernel_command_line(const MachineSpec& spec) {
  // loglevel=6 keeps the boot's chatter off the slow serial line and lets warnings through; once
  // ready the template's kernel is told to print all.
  std::string line =
      "console=ttyS0 loglevel=6 nokaslr norandmaps cryptomgr.notests unknown_nmi_panic=1 "
      "no_timer_check";
  line += spec.init_on_free ? " init_on_free=1" : " init_on_free=0";
  if (spec.intel_iommu) line += " intel_iommu=on iommu=strict";
  for (const auto& region : spec.reserved) {
    line += " memmap=" + std::to_string(region.size) + "$" + std::to_string(region.start);
  }
  for (const auto& argument : spec.kernel_args) line += " " + argument;
  return line;
}

std::vector<std::string> qemu_arguments(const MachineSpec& spec, const Accelerator& accelerator,
                                        const QemuChannels& channels,
                                        std::optional<std::uint64_t> random_seed) {
  Arguments to;
  to.add("qemu-system-x86_64").add("-nodefaults").add("-no-user-config");
  to.add("-display", "none");
  to.add("-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny");
  const std::string memory = std::to_string(spec.memory_mib) + "M";
  const std::string chipset = spec.chipset == Chipset::q35 ? "q35" : "pc";
  to.add("-machine", chipset + ",memory-backend=ram,graphics=off,usb=off,vmport=off");
  to.add("-m", memory);
  to.add("-object",
         "memory-backend-file,id=ram,share=on,size=" + memory + ",mem-path=" + channels.memory);
  add_processor(to, spec, accelerator, channels);
  if (random_seed) to.add("-seed", std::to_string(*random_seed));
  // An end of the guest is an event that we see, with the machine still there to be looked at. A
  // panic runs on: the kernel flushes its console only after it has told QEMU.
  to.add("-action", "reboot=shutdown,shutdown=pause,panic=none");
  to.add("-d", "cpu_reset").add("-D", channels.reset_log);
  // The remapping unit must exist before the devices that it translates for.
  if (spec.intel_iommu) to.add("-device", "intel-iommu");
  add_channels(to, channels);
  to.add("-device", "pvpanic-pci," + slot_option(kPanicSlot));
  if (spec.edu) to.add("-device", "edu,id=edu," + slot_option(kEduSlot));
  add_nics(to, spec, channels);
  if (channels.kernel && channels.initramfs) {
    to.add("-kernel", *channels.kernel).add("-initrd", *channels.initramfs);
    to.add("-append", kernel_command_line(spec));
  }
  if (channels.incoming) to.add("-incoming", "defer");
  return to.take();
}

std::string pci_slot(const MachineSpec& spec, const std::string& device_id) {
  if (device_id == "edu" && spec.edu) return hexadecimal_byte(kEduSlot) + ".0";
  for (std::size_t i = 0; i < spec.nics.size(); ++i) {
    if (spec.nics[i].id != device_id) continue;
    const std::string slot = hexadecimal_byte(kFirstNicSlot + static_cast<unsigned>(i)) + ".0";
    return behind_root_port(spec) ? slot + "/00.0" : slot;
  }
  throw UsageError("The machine has no device \"" + device_id + "\".");
}

std::string pci_address(const MachineSpec& spec, const std::string& device_id) {
  const std::string slot = pci_slot(spec, device_id);
  if (slot.find('/') == std::string::npos) return "0000:00:" + slot;
  const auto nic = std::find_if(spec.nics.begin(), spec.nics.end(),
                                [&](const auto& other) { return other.id == device_id; });
  const auto bus = static_cast<unsigned>(nic - spec.nics.begin()) + 1;
  return "0000:" + hexadecimal_byte(bus) + ":00.0";
}

}  // namespace zcl::vm
