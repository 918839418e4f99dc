// SPDX-License-Identifier: MIT
#include "harness/vm/guest_ram.hh"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <functional>
#include <system_error>

#include "harness/base/error.hh"
#include "harness/base/paths.hh"
#include "harness/vm/checksum.hh"
#include "harness/vm/qemu_process.hh"

namespace zcl::vm {

namespace {

constexpr std::uint64_t kPage = 4096;
constexpr std::uint64_t kMib = 1U << 20;

/// A file mapped for reading.
class ReadMapping {
 public:
  ReadMapping(int file, std::uint64_t size) : size_(size) {
    void* map = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, file, 0);
    if (map == MAP_FAILED) base::throw_system_error("mmap");
    bytes_ = static_cast<const std::uint8_t*>(map);
  }
  ReadMapping(const ReadMapping&) = delete;
  ReadMapping& operator=(const ReadMapping&) = delete;
  ~ReadMapping() { ::munmap(const_cast<std::uint8_t*>(bytes_), size_); }
  [[nodiscard]] base::ByteView view(std::uint64_t offset, std::uint64_t length) const {
    return {bytes_ + offset, length};
  }

 private:
  const std::uint8_t* bytes_ = nullptr;
  std::uint64_t size_;
};

void for_each_data_range(int file, std::uint64_t size,
                         const std::function<void(std::uint64_t, std::uint64_t)>& visit) {
  std::uint64_t at = 0;
  while (at < size) {
    const off_t begin = ::lseek(file, static_cast<off_t>(at), SEEK_DATA);
    if (begin < 0 && errno == ENXIO) return;
    base::check_system_call("lseek SEEK_DATA", begin);
    const off_t end = base::check_system_call("lseek SEEK_HOLE", ::lseek(file, begin, SEEK_HOLE));
    const auto first = static_cast<std::uint64_t>(begin);
    if (first >= size) return;
    at = std::min(static_cast<std::uint64_t>(end), size);
    visit(first, at - first);
  }
}

void write_at(int to, base::ByteView bytes, std::uint64_t offset) {
  while (!bytes.empty()) {
    const ssize_t put = ::pwrite(to, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (put < 0 && errno == EINTR) continue;
    if (put < 0 && errno == ENOSPC) throw_shared_memory_full(bytes.size());
    base::check_system_call("pwrite", put);
    bytes = bytes.subspan(static_cast<std::size_t>(put));
    offset += static_cast<std::uint64_t>(put);
  }
}

std::uint64_t checksum_range(base::ByteView bytes, std::uint64_t offset, std::uint64_t previous) {
  const std::array<std::uint64_t, 2> place = {offset, bytes.size()};
  return crc64(
      bytes, crc64({reinterpret_cast<const std::uint8_t*>(place.data()), sizeof place}, previous));
}

bool is_zero(base::ByteView page) {
  return page[0] == 0 && std::memcmp(page.data(), page.data() + 1, page.size() - 1) == 0;
}

}  // namespace

base::FileDescriptor make_guest_ram(std::uint64_t size) {
  const auto root = base::shared_memory_root();
  base::FileDescriptor file(::open(root.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  if (!file.valid()) {
    throw EnvironmentError("Guest memory cannot be made in " + root.string() + ": " +
                           std::strerror(errno) + ". Make /dev/shm a writable tmpfs.");
  }
  const auto identity = child_identity();
  if (identity.changes) {
    base::check_system_call("fchown", ::fchown(file.get(), identity.user, identity.group));
  }
  base::check_system_call("ftruncate", ::ftruncate(file.get(), static_cast<off_t>(size)));
  return file;
}

std::uint64_t copy_guest_ram(int from, int to, std::uint64_t size, bool with_checksum) {
  const ReadMapping source(from, size);
  std::uint64_t checksum = 0;
  for_each_data_range(from, size, [&](std::uint64_t offset, std::uint64_t length) {
    // In pieces that stay in the processor's cache between the copy and the checksum.
    for (std::uint64_t at = offset; at < offset + length; at += kMib) {
      const auto piece = source.view(at, std::min(kMib, offset + length - at));
      write_at(to, piece, at);
      if (with_checksum) checksum = checksum_range(piece, at, checksum);
    }
  });
  return checksum;
}

std::uint64_t checksum_guest_ram(int file, std::uint64_t size) {
  const ReadMapping source(file, size);
  std::uint64_t checksum = 0;
  for_each_data_range(file, size, [&](std::uint64_t offset, std::uint64_t length) {
    for (std::uint64_t at = offset; at < offset + length; at += kMib) {
      checksum =
          checksum_range(source.view(at, std::min(kMib, offset + length - at)), at, checksum);
    }
  });
  return checksum;
}

void drop_zero_pages(int file, std::uint64_t size) {
  const ReadMapping source(file, size);
  for_each_data_range(file, size, [&](std::uint64_t offset, std::uint64_t length) {
    std::uint64_t zero_from = offset;
    for (std::uint64_t at = offset; at <= offset + length; at += kPage) {
      if (at < offset + length && is_zero(source.view(at, kPage))) continue;
      if (at > zero_from) {
        base::check_system_call(
            "fallocate",
            ::fallocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                        static_cast<off_t>(zero_from), static_cast<off_t>(at - zero_from)));
      }
      zero_from = at + kPage;
    }
  });
}

std::uint64_t shared_memory_free() {
  struct statvfs status {};
  const auto root = base::shared_memory_root();
  if (::statvfs(root.c_str(), &status) < 0) return 0;
  return std::uint64_t{status.f_bavail} * status.f_frsize;
}

void throw_shared_memory_full(std::uint64_t needed) {
  throw EnvironmentError(
      "/dev/shm is full: " + std::to_string(shared_memory_free() / kMib) + " MiB free, " +
      std::to_string((needed + kMib - 1) / kMib) +
      " MiB needed for guest memory. Free some (booted templates in " +
      base::shared_memory_root().string() +
      " may be deleted), or make it larger: `mount -o remount,size=4G /dev/shm`.");
}

}  // namespace zcl::vm
