// SPDX-License-Identifier: MIT
#include "burst_sender.hh"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <stdexcept>

namespace zcl::user {

namespace {

constexpr std::size_t kPage = 4096;
constexpr std::size_t kRegisterBytes = 128 * 1024;

// PCI configuration space (PCI 3.0, 6.2).
constexpr off_t kPciIdentity = 0;
constexpr off_t kPciCommand = 4;
constexpr std::uint16_t kPciMemory = 1U << 1;
constexpr std::uint16_t kPciBusMaster = 1U << 2;
constexpr std::uint32_t k82540em = 0x100e8086;

// Registers (SDM 13.4) and their bits.
constexpr std::size_t kCtrl = 0x0000;
constexpr std::size_t kImc = 0x00d8;
constexpr std::size_t kTctl = 0x0400;
constexpr std::size_t kTdbal = 0x3800;
constexpr std::size_t kTdbah = 0x3804;
constexpr std::size_t kTdlen = 0x3808;
constexpr std::size_t kTdh = 0x3810;
constexpr std::size_t kTdt = 0x3818;
constexpr std::uint32_t kCtrlReset = 1U << 26;
constexpr std::uint32_t kCtrlLinkUp = 1U << 6;
constexpr std::uint32_t kTctlEnable = 1U << 1;
constexpr std::uint32_t kTctlPadShort = 1U << 3;

// Command bits of a legacy transmit descriptor (SDM 3.3.3.1). No "report status": the card then
// never writes the descriptor, and it can be sent again as it is.
constexpr std::uint8_t kEndOfPacket = 1U << 0;
constexpr std::uint8_t kInsertChecksum = 1U << 1;

[[noreturn]] void fail(const std::string& what) {
  throw std::runtime_error(what + ": " + std::strerror(errno));
}

class File {
 public:
  File(const std::string& path, int flags) : fd_(::open(path.c_str(), flags | O_CLOEXEC)) {
    if (fd_ < 0) fail(path);
  }
  ~File() { ::close(fd_); }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  [[nodiscard]] int get() const { return fd_; }

 private:
  int fd_;
};

/// Takes the card from its driver, where it has one.
void detach_driver(const std::string& device) {
  const std::string unbind = device + "/driver/unbind";
  if (!std::filesystem::exists(unbind)) return;
  std::ofstream(unbind) << std::filesystem::path(device).filename().string() << std::flush;
}

/// Checks that it is the card we know, and lets it answer and read memory.
void enable_card(const std::string& device) {
  std::ofstream(device + "/enable") << 1 << std::flush;
  const File config(device + "/config", O_RDWR);
  std::uint32_t identity = 0;
  if (::pread(config.get(), &identity, sizeof identity, kPciIdentity) != sizeof identity) {
    fail(device + "/config");
  }
  if (identity != k82540em) throw std::runtime_error(device + " is no e1000 (82540EM)");
  std::uint16_t command = 0;
  if (::pread(config.get(), &command, sizeof command, kPciCommand) != sizeof command) {
    fail(device + "/config");
  }
  command |= kPciMemory | kPciBusMaster;
  if (::pwrite(config.get(), &command, sizeof command, kPciCommand) != sizeof command) {
    fail(device + "/config");
  }
}

/// The physical address behind a locked page (Documentation/admin-guide/mm/pagemap.rst: bits 0-54
/// are the frame number, bit 63 says present).
std::uint64_t physical_address(const File& pagemap, const void* address) {
  const auto where = reinterpret_cast<std::uintptr_t>(address);
  std::uint64_t entry = 0;
  if (::pread(pagemap.get(), &entry, sizeof entry,
              static_cast<off_t>(where / kPage * sizeof entry)) != sizeof entry) {
    fail("/proc/self/pagemap");
  }
  const std::uint64_t frame = entry & ((std::uint64_t{1} << 55) - 1);
  if (entry >> 63 == 0 || frame == 0) {
    throw std::runtime_error("the kernel hides physical addresses; run as root");
  }
  return frame * kPage + where % kPage;
}

}  // namespace

struct BurstSender::Descriptor {
  std::uint64_t address;
  std::uint16_t length;
  std::uint8_t checksum_offset;
  std::uint8_t command;
  std::uint8_t status;
  std::uint8_t checksum_start;
  std::uint16_t special;
};

BurstSender::BurstSender(const std::string& path) {
  static_assert(sizeof(Descriptor) * kSlots == kPage);
  // A path through the network interface ends once the driver lets go of the card.
  const std::string device = std::filesystem::canonical(path);
  detach_driver(device);
  enable_card(device);
  map_registers(device);
  lock_memory();
  start();
}

BurstSender::~BurstSender() {
  if (registers_ != nullptr) {
    write_register(kTctl, 0);
    ::munmap(registers_, kRegisterBytes);
  }
  if (memory_ != nullptr) ::munmap(memory_, kPage + kSlots * kSlotBytes);
}

void BurstSender::write_register(std::size_t offset, std::uint32_t value) {
  *reinterpret_cast<volatile std::uint32_t*>(registers_ + offset) = value;
}

void BurstSender::map_registers(const std::string& device) {
  const File resource(device + "/resource0", O_RDWR | O_SYNC);
  void* const map =
      ::mmap(nullptr, kRegisterBytes, PROT_READ | PROT_WRITE, MAP_SHARED, resource.get(), 0);
  if (map == MAP_FAILED) fail("mmap of " + device + "/resource0");
  registers_ = static_cast<std::uint8_t*>(map);
  tail_register_ = reinterpret_cast<volatile std::uint32_t*>(registers_ + kTdt);
}

/// The card holds physical addresses, so the pages must stay where they are: locked in memory, and
/// left alone by compaction.
void BurstSender::lock_memory() {
  std::ofstream("/proc/sys/vm/compact_unevictable_allowed") << 0 << std::flush;
  const std::size_t bytes = kPage + kSlots * kSlotBytes;
  void* const map = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_LOCKED | MAP_POPULATE, -1, 0);
  if (map == MAP_FAILED) fail("mmap of frames");
  memory_ = static_cast<std::uint8_t*>(map);
  if (::mlock(memory_, bytes) != 0) fail("mlock of frames");
  std::memset(memory_, 0, bytes);
  ring_ = reinterpret_cast<Descriptor*>(memory_);
  frames_ = memory_ + kPage;
  const File pagemap("/proc/self/pagemap", O_RDONLY);
  for (std::size_t slot = 0; slot < kSlots; ++slot) {
    ring_[slot].address = physical_address(pagemap, frame(slot));  // two slots a page
    ring_[slot].command = kEndOfPacket | kInsertChecksum;
  }
}

void BurstSender::start() {
  const File pagemap("/proc/self/pagemap", O_RDONLY);
  const std::uint64_t ring = physical_address(pagemap, ring_);
  write_register(kCtrl, kCtrlReset);
  write_register(kImc, 0xffffffff);
  write_register(kCtrl, kCtrlLinkUp);
  write_register(kTdbal, static_cast<std::uint32_t>(ring));
  write_register(kTdbah, static_cast<std::uint32_t>(ring >> 32));
  write_register(kTdlen, kSlots * sizeof(Descriptor));
  write_register(kTdh, 0);
  write_register(kTdt, 0);
  write_register(kTctl, kTctlEnable | kTctlPadShort);
}

void BurstSender::set_frame(std::size_t slot, const void* bytes, std::size_t length) {
  if (slot >= kSlots || length < 14 || length > kSlotBytes) {
    throw std::out_of_range("a burst sender has 256 slots of 14 to 2048 bytes");
  }
  std::memcpy(frame(slot), bytes, length);
  ring_[slot].length = static_cast<std::uint16_t>(length);
}

void wait_for_reception() {
  const timespec hold = {1, 500'000'000};
  ::nanosleep(&hold, nullptr);
}

}  // namespace zcl::user
