// SPDX-License-Identifier: MIT
// The QEMU command line of a machine.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "harness/vm/machine_spec.hh"

namespace zcl::vm {

/// What QEMU is handed as open descriptors: numbers in the child for sockets, paths
/// ("/proc/self/fd/7") for files that it opens itself. Nothing of a machine has a name of its own
/// in the file system.
struct QemuChannels {
  int qmp = -1;
  int agent = -1;
  int console = -1;
  std::vector<int> cables;  ///< one for each of cables_of(spec), in that order
  std::string memory;
  std::string reset_log;
  std::optional<std::string> kernel;     ///< boot only
  std::optional<std::string> initramfs;  ///< boot only
  bool incoming = false;                 ///< clone only: wait for the template's device state
  std::optional<std::string> plugin;     ///< count mode
  std::optional<std::string> counter_page;
};

/// What QEMU runs on.
struct Accelerator {
  bool kvm = false;
};

/// The ends that the harness holds: ids of NICs with a cable of their own, then names of hubs, each
/// in the order of first mention.
std::vector<std::string> cables_of(const MachineSpec& spec);

/// `-append` of the guest's kernel.
std::string kernel_command_line(const MachineSpec& spec);

/// The whole argument vector. `random_seed`: of the guest's hardware random numbers, where they
/// have to repeat (count mode).
std::vector<std::string> qemu_arguments(const MachineSpec& spec, const Accelerator& accelerator,
                                        const QemuChannels& channels,
                                        std::optional<std::uint64_t> random_seed = {});

/// Where a device of the spec sits, as sysfs writes it ("0000:00:04.0"). Firmware numbers the buses
/// behind root ports in the order of the ports. Throws UsageError for an unknown id.
std::string pci_address(const MachineSpec& spec, const std::string& device_id);
/// The same as steps from the root bus: "04.0", behind a root port "10.0/00.0".
std::string pci_slot(const MachineSpec& spec, const std::string& device_id);

}  // namespace zcl::vm
