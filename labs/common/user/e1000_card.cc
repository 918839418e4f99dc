// SPDX-License-Identifier: MIT
#include "e1000_card.hh"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <stdexcept>

namespace zcl::user {

namespace {

constexpr std::size_t kPage = 4096;
constexpr std::size_t kRegisterBytes = std::size_t{128} * 1024;

// PCI configuration space (PCI 3.0, 6.2).
constexpr off_t kPciIdentity = 0;
constexpr off_t kPciCommand = 4;
constexpr std::uint16_t kPciMemory = 1U << 1;
constexpr std::uint16_t kPciBusMaster = 1U << 2;
constexpr std::uint32_t k82540em = 0x100e8086;

// Registers (SDM 13.4) and their bits.
constexpr std::size_t kCtrl = 0x0000;
constexpr std::size_t kImc = 0x00d8;
constexpr std::uint32_t kCtrlReset = 1U << 26;
constexpr std::uint32_t kCtrlLinkUp = 1U << 6;

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

/// Checks that it is the card we know, and lets it answer, read and write memory.
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

}  // namespace

E1000Card::E1000Card(const std::string& path) {
  // A path through the network interface ends once the driver lets go of the card.
  const std::string device = std::filesystem::canonical(path);
  detach_driver(device);
  enable_card(device);
  const File resource(device + "/resource0", O_RDWR | O_SYNC);
  void* const map =
      ::mmap(nullptr, kRegisterBytes, PROT_READ | PROT_WRITE, MAP_SHARED, resource.get(), 0);
  if (map == MAP_FAILED) fail("mmap of " + device + "/resource0");
  registers_ = static_cast<std::uint8_t*>(map);
  write(kCtrl, kCtrlReset);
  write(kImc, 0xffffffff);
  write(kCtrl, kCtrlLinkUp);
}

E1000Card::~E1000Card() {
  if (registers_ != nullptr) ::munmap(registers_, kRegisterBytes);
}

void E1000Card::write_address(std::size_t offset, std::uint64_t address) {
  write(offset, static_cast<std::uint32_t>(address));
  write(offset + 4, static_cast<std::uint32_t>(address >> 32));
}

/// The card holds physical addresses, so the pages are locked in memory, and left alone by
/// compaction.
CardMemory::CardMemory(std::size_t bytes) : bytes_(bytes) {
  std::ofstream("/proc/sys/vm/compact_unevictable_allowed") << 0 << std::flush;
  pagemap_ = ::open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
  if (pagemap_ < 0) fail("/proc/self/pagemap");
  void* const map = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_LOCKED | MAP_POPULATE, -1, 0);
  if (map == MAP_FAILED) fail("mmap of memory for a card");
  data_ = static_cast<std::uint8_t*>(map);
  if (::mlock(data_, bytes) != 0) fail("mlock of memory for a card");
  std::memset(data_, 0, bytes);
}

CardMemory::~CardMemory() {
  if (data_ != nullptr) ::munmap(data_, bytes_);
  if (pagemap_ >= 0) ::close(pagemap_);
}

/// Documentation/admin-guide/mm/pagemap.rst: bits 0-54 are the frame number, bit 63 says present.
std::uint64_t CardMemory::physical(const void* address) const {
  const auto where = reinterpret_cast<std::uintptr_t>(address);
  std::uint64_t entry = 0;
  if (::pread(pagemap_, &entry, sizeof entry, static_cast<off_t>(where / kPage * sizeof entry)) !=
      sizeof entry) {
    fail("/proc/self/pagemap");
  }
  const std::uint64_t frame = entry & ((std::uint64_t{1} << 55) - 1);
  if (entry >> 63 == 0 || frame == 0) {
    throw std::runtime_error("the kernel hides physical addresses; run as root");
  }
  return frame * kPage + where % kPage;
}

}  // namespace zcl::user
