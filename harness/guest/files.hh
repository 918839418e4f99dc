// SPDX-License-Identifier: MIT
// Files of the guest: pieces of large ones, whole small ones.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "harness/guest/descriptor.hh"

namespace zcl::guest {

/// Writes `data` at `offset`; offset 0 makes the file anew, with its missing directories.
/// Throws RequestError, like all here.
void put_chunk(const std::string& path, unsigned mode, std::uint64_t offset,
               std::span<const std::uint8_t> data);

/// The whole of a file of at most kMaxText bytes, read through one descriptor.
std::string read_text(const std::string& path);
/// One write(2), as files of proc and sysfs want it; makes no file.
void write_text(const std::string& path, const std::string& text);

/// Reads a file piece by piece. The descriptor of the last file stays open as long as the pieces
/// follow each other: a file of proc is generated from its start at every open.
class ChunkReader {
 public:
  struct Chunk {
    std::vector<std::uint8_t> data;
    bool end = false;
  };
  /// At most `size` bytes at `offset`. Size 0 closes the file.
  Chunk read(const std::string& path, std::uint64_t offset, std::size_t size);

 private:
  Descriptor file_;
  std::string path_;
  std::uint64_t position_ = 0;
};

}  // namespace zcl::guest
