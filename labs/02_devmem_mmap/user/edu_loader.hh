// SPDX-License-Identifier: MIT
// Puts bytes into the own memory of QEMU's `edu` device, which only its DMA engine reaches. Used
// before the lab's driver is loaded, so that what the driver then acquires was chosen by others.
// Source: QEMU docs/specs/edu.txt.
#pragma once

#include <ctime>
#include <filesystem>

#include "mapping.hh"
#include "text_protocol.hh"

namespace daq {

using zcl::user::Bytes;
using zcl::user::to_number;

/// The sysfs folder of the device. Throws std::runtime_error where there is none.
inline std::filesystem::path find_edu() {
  for (const auto& entry : std::filesystem::directory_iterator("/sys/bus/pci/devices")) {
    if (to_number(zcl::user::read_text(entry.path() / "vendor").substr(0, 6)) == 0x1234 &&
        to_number(zcl::user::read_text(entry.path() / "device").substr(0, 6)) == 0x11e8) {
      return entry.path();
    }
  }
  throw std::runtime_error("no edu device (1234:11e8) on the PCI bus");
}

/// The device's registers, through sysfs: possible only while no driver has claimed them.
class EduRegisters {
 public:
  explicit EduRegisters(const std::filesystem::path& device) {
    using zcl::user::open_file;
    const auto config = open_file(device / "config", O_RDWR);
    const std::uint16_t command = 0x6;  // memory space, bus master: PCI 3.0, 6.2.2
    zcl::user::check("pwrite config", ::pwrite(config.get(), &command, sizeof command, 4));
    memory_ = zcl::user::Mapping(open_file(device / "resource0", O_RDWR | O_SYNC), 0, 4096);
  }
  void write(std::size_t offset, std::uint64_t value) {
    *reinterpret_cast<volatile std::uint64_t*>(memory_.data() + offset) = value;
  }
  [[nodiscard]] std::uint64_t read(std::size_t offset) const {
    return *reinterpret_cast<volatile std::uint64_t*>(memory_.data() + offset);
  }

 private:
  zcl::user::Mapping memory_;
};

/// Stages `content` (at most 4095 bytes) at physical address `staging`, which must be reserved at
/// boot, transfers it to the device's memory from its start, and wipes the staging page.
inline void load_edu(const Bytes& content, std::uint64_t staging) {
  constexpr std::size_t kSource = 0x80, kTarget = 0x88, kCount = 0x90, kCommand = 0x98;
  constexpr std::uint64_t kDeviceMemory = 0x40000, kStart = 1;
  if (content.empty() || content.size() > 4095) {
    throw std::invalid_argument("1 to 4095 bytes fit into the device");
  }
  EduRegisters registers(find_edu());
  const zcl::user::Mapping page(zcl::user::open_file("/dev/mem", O_RDWR), staging, 4096);
  zcl::user::store(page.data(), content);
  registers.write(kSource, staging);
  registers.write(kTarget, kDeviceMemory);
  registers.write(kCount, content.size());
  registers.write(kCommand, kStart);
  // Without its interrupt, the end of a transfer shows only in the command register.
  for (int waited_ms = 0; (registers.read(kCommand) & kStart) != 0; ++waited_ms) {
    if (waited_ms > 1000) throw std::runtime_error("the device did not finish within a second");
    const timespec millisecond{.tv_sec = 0, .tv_nsec = 1'000'000};
    ::nanosleep(&millisecond, nullptr);
  }
  std::memset(page.data(), 0, content.size());
}

}  // namespace daq
