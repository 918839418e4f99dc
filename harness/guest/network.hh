// SPDX-License-Identifier: MIT
// Network interfaces and PCI devices. All functions throw RequestError.
#pragma once

#include <string>

namespace zcl::guest {

/// Sets an IPv4 address (empty: leaves it) with its prefix length, and brings the interface up.
void interface_up(const std::string& interface, const std::string& address, unsigned prefix);
void interface_down(const std::string& interface);

/// The interface of the PCI device at `slot`: "device.function" in hexadecimal on the root bus
/// ("03.0"), or such steps through bridges, divided by slashes ("02.0/00.0"). ENOENT where there is
/// no device, ENODEV where it has no interface (yet).
std::string interface_at(const std::string& slot);

/// `address` as sysfs writes it, "0000:00:05.0".
void pci_remove(const std::string& address);
void pci_rescan();

}  // namespace zcl::guest
