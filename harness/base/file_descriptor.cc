// SPDX-License-Identifier: MIT
#include "harness/base/file_descriptor.hh"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

namespace zcl::base {

namespace {

ByteView as_bytes(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

void write_all(int fd, ByteView content) {
  while (!content.empty()) {
    const ssize_t written = ::write(fd, content.data(), content.size());
    if (written < 0 && errno == EINTR) continue;
    check_system_call("write", written);
    content = content.subspan(static_cast<std::size_t>(written));
  }
}

}  // namespace

void throw_system_error(std::string_view call) {
  throw std::system_error(errno, std::generic_category(), std::string(call));
}

FileDescriptor& FileDescriptor::operator=(FileDescriptor&& other) noexcept {
  if (this != &other) {
    reset();
    fd_ = std::exchange(other.fd_, -1);
  }
  return *this;
}

FileDescriptor::~FileDescriptor() {
  reset();
}

void FileDescriptor::reset() {
  if (fd_ >= 0) ::close(std::exchange(fd_, -1));
}

std::pair<FileDescriptor, FileDescriptor> socket_pair() {
  int ends[2];
  check_system_call("socketpair", ::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends));
  return {FileDescriptor(ends[0]), FileDescriptor(ends[1])};
}

Bytes read_file(const std::string& path) {
  const FileDescriptor file(
      check_system_call("open " + path, ::open(path.c_str(), O_RDONLY | O_CLOEXEC)));
  Bytes content;
  struct stat status {};
  if (::fstat(file.get(), &status) == 0 && status.st_size > 0) {
    content.reserve(static_cast<std::size_t>(status.st_size));
  }
  std::uint8_t buffer[65536];
  for (;;) {
    const ssize_t got = ::read(file.get(), buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    check_system_call("read " + path, got);
    if (got == 0) return content;
    content.insert(content.end(), buffer, buffer + got);
  }
}

std::string read_text_file(const std::string& path) {
  const Bytes content = read_file(path);
  return {content.begin(), content.end()};
}

void write_file_atomically(const std::string& path, ByteView content) {
  std::string temporary = path + ".XXXXXX";
  FileDescriptor file(
      check_system_call("mkostemp " + temporary, ::mkostemp(temporary.data(), O_CLOEXEC)));
  try {
    check_system_call("fchmod", ::fchmod(file.get(), 0644));
    write_all(file.get(), content);
    file.reset();
    check_system_call("rename to " + path, ::rename(temporary.c_str(), path.c_str()));
  } catch (...) {
    ::unlink(temporary.c_str());
    throw;
  }
}

void write_file_atomically(const std::string& path, std::string_view content) {
  write_file_atomically(path, as_bytes(content));
}

}  // namespace zcl::base
