// SPDX-License-Identifier: MIT
// Owned file descriptors, and a named check around system calls.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace zcl::base {

using Bytes = std::vector<std::uint8_t>;
using ByteView = std::span<const std::uint8_t>;

/// Returns `result`, or throws std::system_error naming `call` when it is negative.
template <typename Integer>
Integer check_system_call(std::string_view call, Integer result);

/// A file descriptor that is closed exactly once. Empty when it holds -1.
class FileDescriptor {
 public:
  FileDescriptor() = default;
  explicit FileDescriptor(int fd) : fd_(fd) {}
  FileDescriptor(FileDescriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  FileDescriptor& operator=(FileDescriptor&& other) noexcept;
  FileDescriptor(const FileDescriptor&) = delete;
  FileDescriptor& operator=(const FileDescriptor&) = delete;
  ~FileDescriptor();

  [[nodiscard]] int get() const { return fd_; }
  [[nodiscard]] bool valid() const { return fd_ >= 0; }
  /// Gives the descriptor up to the caller.
  int release() { return std::exchange(fd_, -1); }
  void reset();

 private:
  int fd_ = -1;
};

/// A connected pair of stream sockets (AF_UNIX, close-on-exec).
std::pair<FileDescriptor, FileDescriptor> socket_pair();

/// The whole of a file. Throws std::system_error.
Bytes read_file(const std::string& path);
std::string read_text_file(const std::string& path);
/// Writes a new file beside `path` and renames it over `path`: readers see the old or the new one.
void write_file_atomically(const std::string& path, ByteView content);
void write_file_atomically(const std::string& path, std::string_view content);

/// Throws std::system_error for the current errno, naming the call that failed.
[[noreturn]] void throw_system_error(std::string_view call);

template <typename Integer>
Integer check_system_call(std::string_view call, Integer result) {
  if (result < 0) throw_system_error(call);
  return result;
}

}  // namespace zcl::base
