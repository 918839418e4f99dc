// SPDX-License-Identifier: MIT
// A QEMU process: started without privileges and with limits, gone when we are.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "harness/base/deadline.hh"
#include "harness/base/file_descriptor.hh"

namespace zcl::vm {

/// Descriptors that a child inherits, numbered from 3 in the order they were added.
class InheritedDescriptors {
 public:
  /// Borrows `fd` until the child has started. Returns its number in the child.
  int add(int fd);
  /// How the child opens it as a path (each open makes an open file of its own).
  std::string add_path(int fd) { return "/proc/self/fd/" + std::to_string(add(fd)); }
  [[nodiscard]] const std::vector<int>& descriptors() const { return descriptors_; }

 private:
  std::vector<int> descriptors_;
};

struct ProcessLimits {
  std::uint64_t address_space = 0;  ///< bytes
  std::uint64_t file_size = 0;      ///< bytes that write(2) may put into one file
  std::chrono::seconds cpu_time{0};
};

/// Who a child runs as. Root's children run as nobody: a guest that breaks out of QEMU finds itself
/// without rights. Others keep their user.
struct ChildIdentity {
  bool changes = false;
  uid_t user = 0;
  gid_t group = 0;
  std::optional<gid_t> device_group;  ///< what lets it open /dev/kvm
};
/// `kvm`: it must be able to open /dev/kvm, where that is left to a group.
ChildIdentity child_identity(bool kvm = false);

/// How a process ended.
struct ProcessEnd {
  int exit_status = -1;  ///< valid when signal == 0
  int signal = 0;
};

/// A child in a session of its own that dies with us (PR_SET_PDEATHSIG), with no standard input.
class ChildProcess {
 public:
  ChildProcess() = default;
  /// Throws std::system_error when `argv[0]` (looked up in PATH) cannot be run.
  static ChildProcess start(const std::vector<std::string>& argv,
                            const InheritedDescriptors& descriptors, const ProcessLimits& limits,
                            const ChildIdentity& identity);
  ChildProcess(ChildProcess&& other) noexcept;
  ChildProcess& operator=(ChildProcess&& other) noexcept;
  /// Kills it.
  ~ChildProcess();

  [[nodiscard]] pid_t pid() const { return pid_; }
  /// Readable once it has ended.
  [[nodiscard]] int exit_descriptor() const { return exit_descriptor_.get(); }
  /// Waits for its end; nothing when the deadline passes first.
  std::optional<ProcessEnd> wait(const base::Deadline& deadline);
  /// SIGKILL, and waits for it to be gone.
  void kill();
  /// The last `limit` bytes of what it wrote to standard output and error.
  [[nodiscard]] std::string messages(std::size_t limit = 4096) const;

 private:
  pid_t pid_ = -1;
  base::FileDescriptor exit_descriptor_;
  base::FileDescriptor messages_;
  std::optional<ProcessEnd> end_;
};

}  // namespace zcl::vm
