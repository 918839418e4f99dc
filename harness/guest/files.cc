// SPDX-License-Identifier: MIT
#include "harness/guest/files.hh"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>

#include "harness/guest/protocol.hh"
#include "harness/guest/request_error.hh"

namespace zcl::guest {

namespace {

void make_directories_of(const std::string& path) {
  for (std::size_t slash = path.find('/', 1); slash != std::string::npos;
       slash = path.find('/', slash + 1)) {
    ::mkdir(path.substr(0, slash).c_str(), 0755);  // what matters fails at open
  }
}

}  // namespace

void put_chunk(const std::string& path, unsigned mode, std::uint64_t offset,
               std::span<const std::uint8_t> data) {
  if (offset == 0) {
    make_directories_of(path);
    // A new file: the old one may be a program that still runs, which cannot be written to.
    struct stat old {};
    if (::lstat(path.c_str(), &old) == 0 && S_ISREG(old.st_mode)) ::unlink(path.c_str());
  }
  const int flags = O_WRONLY | O_CLOEXEC | O_CREAT | (offset == 0 ? O_TRUNC : 0);
  const Descriptor file(::open(path.c_str(), flags, static_cast<mode_t>(mode)));
  if (!file.valid()) refuse("open " + path);
  if (offset == 0 && ::fchmod(file.get(), static_cast<mode_t>(mode)) < 0) refuse("chmod " + path);
  while (!data.empty()) {
    const ssize_t written =
        ::pwrite(file.get(), data.data(), data.size(), static_cast<off_t>(offset));
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) refuse("write " + path);
    offset += static_cast<std::uint64_t>(written);
    data = data.subspan(static_cast<std::size_t>(written));
  }
}

std::string read_text(const std::string& path) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.valid()) refuse("open " + path);
  std::string text;
  char buffer[16384];
  for (;;) {
    const ssize_t got = ::read(file.get(), buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) refuse("read " + path);
    if (got == 0) return text;
    text.append(buffer, static_cast<std::size_t>(got));
    if (text.size() > kMaxText) refuse("read " + path, EFBIG);
  }
}

void write_text(const std::string& path, const std::string& text) {
  const Descriptor file(::open(path.c_str(), O_WRONLY | O_CLOEXEC | O_TRUNC));
  if (!file.valid()) refuse("open " + path);
  const ssize_t written = ::write(file.get(), text.data(), text.size());
  if (written < 0) refuse("write " + path);
  if (static_cast<std::size_t>(written) != text.size()) refuse("write " + path, EIO);
}

ChunkReader::Chunk ChunkReader::read(const std::string& path, std::uint64_t offset,
                                     std::size_t size) {
  Chunk chunk;
  if (!file_.valid() || path != path_ || offset != position_) {
    file_ = Descriptor(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!file_.valid()) refuse("open " + path);
    if (offset != 0 && ::lseek(file_.get(), static_cast<off_t>(offset), SEEK_SET) < 0) {
      file_.reset();
      refuse("seek in " + path);
    }
    path_ = path;
    position_ = offset;
  }
  size = std::min(size, kMaxChunk);
  chunk.data.resize(size);
  std::size_t have = 0;
  while (have < size) {
    const ssize_t got = ::read(file_.get(), chunk.data.data() + have, size - have);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) {
      const int reason = errno;
      file_.reset();
      refuse("read " + path, reason);
    }
    if (got == 0) {
      chunk.end = true;
      break;
    }
    have += static_cast<std::size_t>(got);
  }
  chunk.data.resize(have);
  position_ += have;
  if (chunk.end || size == 0) file_.reset();
  return chunk;
}

}  // namespace zcl::guest
