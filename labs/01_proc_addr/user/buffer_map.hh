// SPDX-License-Identifier: MIT
// The module's buffer in this process: addresses from /proc/nf_addr, memory through /dev/mem.
#pragma once

#include <cstdio>
#include <stdexcept>
#include <string>
#include <vector>

#include "mapping.hh"

namespace zcl::user {

/// One line of /proc/nf_addr.
struct BlockAddress {
  std::uint64_t physical = 0;
  std::size_t bytes = 0;
};

inline std::vector<BlockAddress> read_block_addresses(const std::string& path) {
  const std::string text = read_text(path);
  std::vector<BlockAddress> blocks;
  const char* at = text.c_str();
  unsigned long long physical = 0;
  unsigned long long bytes = 0;
  int taken = 0;
  while (std::sscanf(at, "%llu %llu%n", &physical, &bytes, &taken) == 2) {
    blocks.push_back({physical, bytes});
    at += taken;
  }
  if (blocks.empty()) throw std::runtime_error(path + " names no block");
  return blocks;
}

/// All blocks, one after the other in this process's addresses, in whatever order they lie in
/// physical memory. Throws std::system_error (EPERM: is devmem_gate loaded?).
class BufferMap {
 public:
  explicit BufferMap(const std::vector<BlockAddress>& blocks) {
    for (const BlockAddress& block : blocks) bytes_ += block.bytes;
    // Reserve the whole range first, so that the fixed mappings below replace nothing else.
    base_ = ::mmap(nullptr, bytes_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (base_ == MAP_FAILED) throw_errno("mmap");
    const FileDescriptor memory = open_file("/dev/mem", O_RDWR | O_SYNC);
    auto* at = static_cast<std::byte*>(base_);
    for (const BlockAddress& block : blocks) {
      mappings_.emplace_back(memory, block.physical, block.bytes, PROT_READ | PROT_WRITE, at);
      at += block.bytes;
    }
  }
  BufferMap(const BufferMap&) = delete;
  BufferMap& operator=(const BufferMap&) = delete;
  ~BufferMap() { ::munmap(base_, bytes_); }

  [[nodiscard]] std::byte* data() const { return static_cast<std::byte*>(base_); }
  [[nodiscard]] std::size_t size() const { return bytes_; }

 private:
  void* base_ = nullptr;
  std::size_t bytes_ = 0;
  std::vector<Mapping> mappings_;
};

}  // namespace zcl::user
