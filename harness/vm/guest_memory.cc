// SPDX-License-Identifier: MIT
#include "harness/vm/guest_memory.hh"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <utility>

namespace zcl::vm {
namespace {

constexpr std::uint64_t kGiB = 1ULL << 30;
constexpr std::uint64_t kFourGiB = 4 * kGiB;

std::string hexadecimal(std::uint64_t value) {
  std::array<char, 24> text{};
  std::snprintf(text.data(), text.size(), "0x%llx", static_cast<unsigned long long>(value));
  return text.data();
}

}  // namespace

NotRam::NotRam(PhysicalAddress address)
    : std::out_of_range("no guest RAM at physical address " + hexadecimal(address)) {}

std::uint64_t ram_below_4g(Chipset chipset, std::uint64_t ram_bytes) {
  // q35 leaves room for its 256 MiB of PCI Express configuration space: RAM reaches up to 2.75 GiB,
  // and only to 2 GiB where there is more. The older machine gives RAM up to 3.5 GiB, and 3 GiB
  // where there is more, so that the upper part starts on a gigabyte.
  const std::uint64_t largest_low = chipset == Chipset::q35 ? 0xb0000000ULL : 0xe0000000ULL;
  const std::uint64_t split = chipset == Chipset::q35 ? 0x80000000ULL : 0xc0000000ULL;
  return ram_bytes < largest_low ? ram_bytes : split;
}

GuestMemory::GuestMemory(const std::string& ram_file, const MachineSpec& spec)
    : size_(std::uint64_t{spec.memory_mib} << 20), low_size_(ram_below_4g(spec.chipset, size_)) {
  file_ = base::FileDescriptor(
      base::check_system_call("open " + ram_file, ::open(ram_file.c_str(), O_RDONLY | O_CLOEXEC)));
  struct stat status {};
  base::check_system_call("fstat " + ram_file, ::fstat(file_.get(), &status));
  if (static_cast<std::uint64_t>(status.st_size) != size_) {
    throw std::system_error(EINVAL, std::generic_category(),
                            ram_file + " has " + std::to_string(status.st_size) +
                                " bytes, the machine has " + std::to_string(size_));
  }
  void* map = ::mmap(nullptr, size_, PROT_READ, MAP_SHARED | MAP_NORESERVE, file_.get(), 0);
  if (map == MAP_FAILED) base::throw_system_error("mmap " + ram_file);
  map_ = static_cast<const std::uint8_t*>(map);
}

GuestMemory::GuestMemory(GuestMemory&& other) noexcept
    : file_(std::move(other.file_)),
      map_(std::exchange(other.map_, nullptr)),
      size_(std::exchange(other.size_, 0)),
      low_size_(std::exchange(other.low_size_, 0)) {}

GuestMemory& GuestMemory::operator=(GuestMemory&& other) noexcept {
  std::swap(file_, other.file_);
  std::swap(map_, other.map_);
  std::swap(size_, other.size_);
  std::swap(low_size_, other.low_size_);
  return *this;
}

GuestMemory::~GuestMemory() {
  // munmap takes a pointer to non-const although it does not write.
  if (map_ != nullptr) ::munmap(const_cast<std::uint8_t*>(map_), size_);
}

PhysicalAddress GuestMemory::end() const {
  return low_size_ < size_ ? kFourGiB + (size_ - low_size_) : low_size_;
}

std::optional<std::uint64_t> GuestMemory::file_offset(PhysicalAddress address,
                                                      std::uint64_t length) const {
  // Written so that no sum can overflow: the guest chooses `address`, and often `length`.
  if (address < low_size_) {
    if (length > low_size_ - address) return std::nullopt;
    return address;
  }
  if (address < kFourGiB) return std::nullopt;
  const std::uint64_t above = address - kFourGiB;
  const std::uint64_t high_size = size_ - low_size_;
  if (above >= high_size || length > high_size - above) return std::nullopt;
  return low_size_ + above;
}

PhysicalAddress GuestMemory::address_of(std::uint64_t file_offset) const {
  return file_offset < low_size_ ? file_offset : kFourGiB + (file_offset - low_size_);
}

bool GuestMemory::contains(PhysicalAddress address, std::uint64_t length) const {
  return file_offset(address, length).has_value();
}

base::ByteView GuestMemory::view(PhysicalAddress address, std::uint64_t length) const {
  const auto offset = file_offset(address, length);
  if (!offset) throw NotRam(address);
  return {map_ + *offset, length};
}

void GuestMemory::for_each_populated(
    const std::function<void(PhysicalAddress, base::ByteView)>& visit) const {
  std::uint64_t position = 0;
  while (position < size_) {
    const off_t data = ::lseek(file_.get(), static_cast<off_t>(position), SEEK_DATA);
    if (data < 0) {
      if (errno == ENXIO) return;  // only holes up to the end
      base::throw_system_error("lseek(SEEK_DATA)");
    }
    const off_t hole =
        base::check_system_call("lseek(SEEK_HOLE)", ::lseek(file_.get(), data, SEEK_HOLE));
    std::uint64_t start = static_cast<std::uint64_t>(data);
    const std::uint64_t stop = std::min(static_cast<std::uint64_t>(hole), size_);
    // A run of the file over the split is two runs of physical memory.
    if (start < low_size_ && stop > low_size_) {
      visit(address_of(start), {map_ + start, low_size_ - start});
      start = low_size_;
    }
    if (start < stop) visit(address_of(start), {map_ + start, stop - start});
    position = std::max(stop, start + 1);
  }
}

}  // namespace zcl::vm
