// SPDX-License-Identifier: MIT
#include "harness/xray/nic_ring.hh"

#include <algorithm>

#include "harness/base/error.hh"

namespace zcl::xray {
namespace {

// 82540EM: Intel "PCI/PCI-X Family of Gigabit Ethernet Controllers Software Developer's Manual",
// chapter 13.
namespace e1000 {
constexpr std::uint32_t kRctl = 0x0100;
constexpr std::uint32_t kRctlEnable = 1U << 1;
constexpr std::uint32_t kRctlSizeExtension = 1U << 25;
constexpr std::uint32_t kTctl = 0x0400;
constexpr std::uint32_t kTctlEnable = 1U << 1;
constexpr std::uint32_t kReceiveRing = 0x2800;   // RDBAL; RDBAH +4, RDLEN +8, RDH +0x10
constexpr std::uint32_t kTransmitRing = 0x3800;  // TDBAL; the same layout
constexpr std::uint32_t kHead = 0x10;            // RDH or TDH, from the ring's first register
constexpr std::uint32_t kTail = 0x18;
constexpr std::uint32_t kMostDescriptors = 4096;  // 82540EM: 13.4.27, RDLEN
constexpr std::uint8_t kDone = 1U << 0;
constexpr std::uint8_t kReceiveEnd = 1U << 1;   // status EOP
constexpr std::uint8_t kTransmitEnd = 1U << 0;  // command EOP
constexpr std::uint8_t kExtended = 1U << 5;     // command DEXT

/// Receive descriptor, 3.2.3; legacy transmit descriptor, 3.3.3, has the same size and, for a data
/// descriptor, the same places of address, command and status.
struct Descriptor {
  std::uint64_t buffer;
  std::uint16_t length;
  std::uint8_t byte10;  // receive: checksum; transmit: checksum offset, or descriptor type
  std::uint8_t command;
  std::uint8_t status;
  std::uint8_t errors;
  std::uint16_t special;
};
static_assert(sizeof(Descriptor) == 16);

/// 13.4.22: BSIZE, bits 17:16.
std::uint16_t buffer_size(std::uint32_t rctl) {
  const unsigned code = (rctl >> 16) & 3;
  if ((rctl & kRctlSizeExtension) != 0) {
    return static_cast<std::uint16_t>(code == 0 ? 0U : 32768U >> code);  // 16384, 8192, 4096
  }
  return static_cast<std::uint16_t>(2048U >> code);
}
}  // namespace e1000

// RTL8139C+ datasheet, chapters 5 and 6.
namespace rtl8139 {
constexpr std::uint32_t kTransmitRing = 0x20;  // TNPDS
constexpr std::uint32_t kReceiveRing = 0xe4;   // RDSAR
constexpr std::uint32_t kCommand = 0x34;       // CR is the word's highest byte
constexpr std::uint32_t kTransmitEnable = 1U << 26;
constexpr std::uint32_t kReceiveEnable = 1U << 27;
constexpr unsigned kMostDescriptors = 64;
constexpr std::uint32_t kOwn = 1U << 31;  // the chip has it
constexpr std::uint32_t kEndOfRing = 1U << 30;
constexpr std::uint32_t kLastSegment = 1U << 28;
constexpr std::uint32_t kReceiveLength = 0x1fff;
constexpr std::uint32_t kTransmitLength = 0xffff;

struct Descriptor {
  std::uint32_t options;
  std::uint32_t vlan;
  std::uint32_t buffer_low;
  std::uint32_t buffer_high;
};
static_assert(sizeof(Descriptor) == 16);
}  // namespace rtl8139

constexpr std::uint64_t kDescriptorBytes = 16;

const vm::NicSpec* find_nic(const vm::MachineSpec& spec, const std::string& nic) {
  const auto found = std::find_if(spec.nics.begin(), spec.nics.end(),
                                  [&](const vm::NicSpec& each) { return each.id == nic; });
  return found == spec.nics.end() ? nullptr : &*found;
}

std::uint64_t address_register(const ReadRegister& read_register, std::uint32_t at) {
  return std::uint64_t{read_register(at + 4)} << 32 | read_register(at);
}

}  // namespace

std::vector<NicDescriptor> read_e1000_ring(const vm::GuestMemory& memory,
                                           const ReadRegister& read_register, Direction direction) {
  const bool receive = direction == Direction::receive;
  const std::uint32_t control = read_register(receive ? e1000::kRctl : e1000::kTctl);
  const std::uint32_t ring = receive ? e1000::kReceiveRing : e1000::kTransmitRing;
  std::vector<NicDescriptor> descriptors;
  if ((control & (receive ? e1000::kRctlEnable : e1000::kTctlEnable)) == 0) return descriptors;
  const std::uint64_t base = address_register(read_register, ring) & ~(kDescriptorBytes - 1);
  const auto count = std::min<std::uint32_t>(
      read_register(ring + 8) / static_cast<std::uint32_t>(kDescriptorBytes),
      e1000::kMostDescriptors);
  const std::uint32_t head = read_register(ring + e1000::kHead);
  const std::uint32_t tail = read_register(ring + e1000::kTail);
  for (unsigned i = 0; i < count; ++i) {
    const vm::PhysicalAddress at = base + i * kDescriptorBytes;
    if (!memory.contains(at, kDescriptorBytes)) break;
    const auto raw = memory.load<e1000::Descriptor>(at);
    NicDescriptor descriptor;
    descriptor.index = i;
    descriptor.descriptor = at;
    descriptor.buffer = raw.buffer;
    descriptor.length = raw.length;
    descriptor.done = (raw.status & e1000::kDone) != 0;
    // The chip owns [head, tail), which may wrap (3.2.6, 3.4).
    const bool in_order = head <= tail;
    descriptor.with_chip = in_order ? head <= i && i < tail : head <= i || i < tail;
    if (receive) {
      descriptor.capacity = e1000::buffer_size(control);
      descriptor.end_of_packet = (raw.status & e1000::kReceiveEnd) != 0;
    } else {
      // A context descriptor (extended, type 0; 3.3.6) carries no buffer.
      if ((raw.command & e1000::kExtended) != 0 && (raw.byte10 & 0xf0) == 0) continue;
      descriptor.capacity = raw.length;
      descriptor.end_of_packet = (raw.command & e1000::kTransmitEnd) != 0;
    }
    descriptors.push_back(descriptor);
  }
  return descriptors;
}

std::vector<NicDescriptor> read_rtl8139_ring(const vm::GuestMemory& memory,
                                             const ReadRegister& read_register,
                                             Direction direction) {
  const bool receive = direction == Direction::receive;
  std::vector<NicDescriptor> descriptors;
  const std::uint32_t enable = receive ? rtl8139::kReceiveEnable : rtl8139::kTransmitEnable;
  if ((read_register(rtl8139::kCommand) & enable) == 0) return descriptors;
  const std::uint64_t base =
      address_register(read_register, receive ? rtl8139::kReceiveRing : rtl8139::kTransmitRing);
  if (base == 0) return descriptors;  // the chip is in its older mode, without descriptors
  for (unsigned i = 0; i < rtl8139::kMostDescriptors; ++i) {
    const vm::PhysicalAddress at = base + i * kDescriptorBytes;
    if (!memory.contains(at, kDescriptorBytes)) break;
    const auto raw = memory.load<rtl8139::Descriptor>(at);
    NicDescriptor descriptor;
    descriptor.index = i;
    descriptor.descriptor = at;
    descriptor.buffer = std::uint64_t{raw.buffer_high} << 32 | raw.buffer_low;
    descriptor.with_chip = (raw.options & rtl8139::kOwn) != 0;
    descriptor.done = !descriptor.with_chip;
    descriptor.end_of_packet = (raw.options & rtl8139::kLastSegment) != 0;
    descriptor.length = static_cast<std::uint16_t>(
        raw.options & (receive ? rtl8139::kReceiveLength : rtl8139::kTransmitLength));
    // While the chip owns a receive descriptor its length field is the size of the buffer.
    descriptor.capacity = descriptor.length;
    descriptors.push_back(descriptor);
    if ((raw.options & rtl8139::kEndOfRing) != 0) break;
  }
  return descriptors;
}

bool ring_is_readable(const vm::MachineSpec& spec, const std::string& nic) {
  const vm::NicSpec* found = find_nic(spec, nic);
  return found != nullptr && !spec.intel_iommu &&
         (found->model == "e1000" || found->model == "rtl8139");
}

std::vector<NicDescriptor> read_ring(vm::Machine& machine, const std::string& nic,
                                     Direction direction) {
  const vm::NicSpec* found = find_nic(machine.spec(), nic);
  if (found == nullptr) throw UsageError("the machine has no NIC \"" + nic + "\"");
  if (machine.spec().intel_iommu) {
    throw UsageError("the descriptors of \"" + nic +
                     "\" hold bus addresses behind an IOMMU, not physical ones; the census and the "
                     "mappings stand without them");
  }
  if (!ring_is_readable(machine.spec(), nic)) {
    throw UsageError("cannot read the rings of a " + found->model +
                     "; e1000 and rtl8139 (C+ mode) are known");
  }
  const bool is_e1000 = found->model == "e1000";
  // The e1000's registers are its first memory BAR, the 8139's are its second (the first is I/O).
  const vm::PhysicalAddress registers = machine.device_bar(nic, is_e1000 ? 0 : 1);
  const ReadRegister read_register = [&](std::uint32_t offset) {
    return machine.read_physical_u32(registers + offset);
  };
  return is_e1000 ? read_e1000_ring(machine.memory(), read_register, direction)
                  : read_rtl8139_ring(machine.memory(), read_register, direction);
}

}  // namespace zcl::xray
