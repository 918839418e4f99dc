// SPDX-License-Identifier: MIT
#include "harness/grade/submission.hh"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "harness/base/error.hh"
#include "harness/base/file_descriptor.hh"

namespace zcl::grade {

namespace fs = std::filesystem;

namespace {

/// Opens `relative` below `directory`, refusing a link at any component.
base::FileDescriptor open_beneath(const base::FileDescriptor& directory, const fs::path& relative,
                                  std::string& problem) {
  base::FileDescriptor at(::fcntl(directory.get(), F_DUPFD_CLOEXEC, 0));
  for (auto part = relative.begin(); part != relative.end(); ++part) {
    const bool last = std::next(part) == relative.end();
    // O_NONBLOCK: opening a FIFO must not wait for its writer.
    const int flags = O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | (last ? 0 : O_DIRECTORY);
    base::FileDescriptor next(::openat(at.get(), part->c_str(), flags));
    if (!next.valid()) {
      problem = errno == ELOOP || (errno == ENOTDIR && !last)
                    ? "is, or is reached through, a symbolic link or a file in place of a directory"
                    : std::string("cannot be opened: ") + std::strerror(errno);
      return {};
    }
    at = std::move(next);
  }
  return at;
}

/// Reads the whole of a regular file within the limit, or says what is wrong.
base::Bytes read_regular(const base::FileDescriptor& file, std::string& problem) {
  struct stat status {};
  base::check_system_call("fstat", ::fstat(file.get(), &status));
  if (!S_ISREG(status.st_mode)) {
    problem = "is not a regular file";
    return {};
  }
  base::Bytes content(kStudentFileLimit + 1);
  std::size_t filled = 0;
  while (filled < content.size()) {
    const ssize_t got = ::read(file.get(), content.data() + filled, content.size() - filled);
    if (got < 0 && errno == EINTR) continue;
    if (base::check_system_call("read", got) == 0) break;
    filled += static_cast<std::size_t>(got);
  }
  if (filled > kStudentFileLimit) {
    problem = "is larger than " + std::to_string(kStudentFileLimit / 1024) + " KiB";
    return {};
  }
  content.resize(filled);
  return content;
}

}  // namespace

void take_submission(const lab::Lab& lab, const fs::path& submission, const fs::path& to) {
  const base::FileDescriptor directory(
      ::open(submission.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory.valid()) {
    throw UsageError("The submission " + submission.string() +
                     " is not a directory that can be read: " + std::strerror(errno) + ".");
  }
  for (const auto& name : lab.student_files) {
    std::string problem;
    base::Bytes content;
    const auto file = open_beneath(directory, name, problem);
    if (problem.empty()) content = read_regular(file, problem);
    if (!problem.empty()) {
      throw UsageError("The submission's file " + name + " " + problem + ". Lab " + lab.id +
                       " takes it as a regular file at that place.");
    }
    fs::create_directories((to / name).parent_path());
    base::write_file_atomically(to / name, base::ByteView(content));
  }
}

}  // namespace zcl::grade
