// SPDX-License-Identifier: MIT
// The host's side of the conversation with the guest agent (PID 1). What comes back is a claim of
// the guest: good enough to drive an experiment and to explain a result, never to earn a point.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "harness/base/deadline.hh"
#include "harness/base/file_descriptor.hh"

namespace zcl::vm {

/// A program to run in the guest.
struct ProgramRequest {
  std::vector<std::string> argv;  ///< argv[0] is a path in the guest
  std::map<std::string, std::string> environment;
  std::string input;                    ///< standard input, then end of file
  std::chrono::seconds time_limit{30};  ///< of host time; then SIGKILL to its process group
  unsigned uid = 0;                     ///< and gid
  std::size_t output_limit = 1U << 20;  ///< bytes kept of each stream
};

struct ProgramResult {
  int exit_status = -1;  ///< valid when signal == 0
  int signal = 0;
  bool timed_out = false;
  std::string output;
  std::string error;
  // From wait4(2), as the guest's kernel counts them:
  std::uint64_t minor_faults = 0;
  std::uint64_t major_faults = 0;
  std::uint64_t voluntary_switches = 0;
  std::uint64_t involuntary_switches = 0;
  [[nodiscard]] bool ok() const { return exit_status == 0 && signal == 0 && !timed_out; }
};

/// The guest's kernel or the agent refused a request. `error_number()` is the guest's errno.
class GuestError : public std::runtime_error {
 public:
  GuestError(const std::string& what, int error_number)
      : std::runtime_error(what), error_number_(error_number) {}
  [[nodiscard]] int error_number() const { return error_number_; }

 private:
  int error_number_;
};

class AgentConnection;  // framing and the reader; private to vm/

/// A program that is running in the guest. The destructor kills it if it still runs.
class GuestProcess {
 public:
  GuestProcess(GuestProcess&&) noexcept;
  GuestProcess& operator=(GuestProcess&&) noexcept;
  ~GuestProcess();

  [[nodiscard]] int pid() const { return pid_; }
  /// The next line of its standard output, without the newline. Throws DeadlinePassed, GuestFault,
  /// or GuestError(EPIPE) when the program ended its output first.
  std::string read_line(const base::Deadline& deadline);
  void write_input(std::string_view text);
  void close_input();
  void send_signal(int signal);
  /// Waits for its end; output already read by read_line() is not repeated.
  ProgramResult wait(const base::Deadline& deadline);

 private:
  friend class AgentClient;
  GuestProcess(std::shared_ptr<AgentConnection> connection, std::uint64_t handle, int pid);
  std::shared_ptr<AgentConnection> connection_;
  std::uint64_t handle_ = 0;
  int pid_ = 0;
};

/// Every call throws GuestFault when the machine fails meanwhile, GuestError when the guest
/// refuses, DeadlinePassed when the (default, named) deadline passes.
class AgentClient {
 public:
  /// `slots`: where each device of the machine is, by QEMU device id: "03.0" on the root bus,
  /// "02.0/00.0" behind a bridge.
  explicit AgentClient(std::shared_ptr<AgentConnection> connection,
                       std::map<std::string, std::string> slots = {});

  void put_file(const std::string& path, base::ByteView content, unsigned mode = 0644);
  base::Bytes get_file(const std::string& path, std::size_t limit = 16U << 20);
  /// A text file of proc or sysfs, trailing newline removed.
  std::string get_text(const std::string& path);
  void write_text(const std::string& path, const std::string& text);

  /// Loads the stock module `name` with what it depends on.
  void load_stock_module(const std::string& name, const std::string& parameters = {});
  /// init_module(2) of an image already in the guest. GuestError carries its errno.
  void load_module(const std::string& path, const std::string& parameters = {});
  /// delete_module(2) with O_NONBLOCK. GuestError(EWOULDBLOCK) where it is in use.
  void unload_module(const std::string& name);

  ProgramResult run(const ProgramRequest& request);
  /// Its standard input stays open after `request.input` (close_input()); no time limit holds.
  GuestProcess start(const ProgramRequest& request);

  /// Brings a network interface up; `address` such as "10.0.0.2/24", or empty for none.
  void interface_up(const std::string& interface, const std::string& address = {});
  void interface_down(const std::string& interface);
  /// The interface whose PCI device has QEMU device id `nic` (by its slot), waiting for it.
  std::string interface_of(const std::string& nic);
  /// Removes and rescans a PCI device (`edu` has no migration state and needs it after a clone).
  void rescan_pci(const std::string& pci_address);
  /// Reseeds the kernel's random number generator; at most 512 bytes.
  void add_entropy(base::ByteView bytes);
  /// Answers as soon as it can.
  void ping(const base::Deadline& deadline);
  /// Guest monotonic time, nanoseconds.
  std::uint64_t monotonic_ns();
  /// Sleeps in the guest for `ns` of guest time.
  void sleep_ns(std::uint64_t ns);

  /// For the rest of vm/ (guest_shell.hh).
  AgentConnection& connection() { return *connection_; }

 private:
  std::shared_ptr<AgentConnection> connection_;
  std::map<std::string, std::string> slots_;
};

}  // namespace zcl::vm
