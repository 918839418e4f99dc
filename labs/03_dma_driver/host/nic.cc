// SPDX-License-Identifier: MIT
#include "labs/03_dma_driver/host/nic.hh"

#include <algorithm>
#include <stdexcept>

#include "harness/vm/interrupt_counter.hh"

namespace zcl::lab03 {

namespace {

constexpr std::uint64_t kRegisterBytes = 0x20000;

/// The chipset's own lines are below; the PCI bus's begin here (q35).
constexpr unsigned kFirstPciPin = 16;

wire::MacAddress parse_mac(const std::string& text) {
  wire::MacAddress mac{};
  for (std::size_t i = 0; i < mac.size(); ++i) {
    mac[i] = static_cast<std::uint8_t>(std::stoul(text.substr(3 * i, 2), nullptr, 16));
  }
  return mac;
}

}  // namespace

Nic::Nic(vm::Machine& machine, std::string id)
    : machine_(machine), id_(std::move(id)), bar_(machine.device_bar(id_)) {}

std::uint32_t Nic::read(Register which) const {
  return machine_.read_physical_u32(bar_ + static_cast<std::uint32_t>(which));
}

vm::RegisterAccesses Nic::accesses() const {
  return machine_.counter().register_accesses(bar_, bar_ + kRegisterBytes);
}

std::vector<xray::NicDescriptor> Nic::receive_ring() const {
  return xray::read_ring(machine_, id_, xray::Direction::receive);
}

std::vector<xray::NicDescriptor> Nic::transmit_ring() const {
  return xray::read_ring(machine_, id_, xray::Direction::transmit);
}

wire::MacAddress Nic::mac() const {
  for (const auto& nic : machine_.spec().nics) {
    if (nic.id == id_) return parse_mac(nic.properties.at("mac"));
  }
  throw std::logic_error("lab.json declares no NIC " + id_);
}

std::uint64_t raised_interrupts(vm::Machine& machine) {
  constexpr std::string_view kController = "ioapic:";
  std::uint64_t raised = 0;
  for (const auto& [pin, count] : machine.interrupts()) {
    if (pin.starts_with(kController) &&
        std::stoul(pin.substr(kController.size())) >= kFirstPciPin) {
      raised += count;
    }
  }
  return raised;
}

}  // namespace zcl::lab03
