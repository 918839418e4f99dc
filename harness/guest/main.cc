// SPDX-License-Identifier: MIT
// The guest agent. As PID 1 of the guest it is init: it mounts, loads the boot modules, and then
// serves the host through a virtio-serial port. With `--descriptor N` it serves a socket as an
// ordinary process, for tests; it then changes nothing of the system.
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "harness/guest/agent.hh"
#include "harness/guest/protocol.hh"
#include "harness/guest/system_setup.hh"

namespace {

void block_child_signal() {
  sigset_t child;
  ::sigemptyset(&child);
  ::sigaddset(&child, SIGCHLD);
  ::sigprocmask(SIG_BLOCK, &child, nullptr);
  ::signal(SIGPIPE, SIG_IGN);
}

/// The kernel starts init with the console as its streams, or with nothing.
void give_streams() {
  while (true) {
    const int fd = ::open("/dev/null", O_RDWR);
    if (fd < 0) return;
    if (fd > 2) {
      ::close(fd);
      return;
    }
  }
}

int serve_descriptor(int fd) {
  if (::fcntl(fd, F_SETFD, FD_CLOEXEC) < 0) {
    std::perror("zcl_agent: --descriptor");
    return 2;
  }
  zcl::guest::Agent(zcl::guest::Descriptor(fd), {}, true).run();
  return 0;
}

void serve_as_init() {
  using namespace zcl::guest;
  std::vector<std::string> errors;
  mount_file_systems(errors);
  give_streams();
  ::setenv("PATH", "/bin:/sbin:/usr/bin:/usr/sbin", 1);
  ::setenv("HOME", "/", 1);
  load_boot_modules(errors);
  bring_loopback_up(errors);
  enable_task_dumps(errors);
  withstand_memory_exhaustion(errors);
  for (const auto& error : errors) print_on_console("zcl-agent: " + error);
  Agent agent(open_port(), errors, false);
  print_on_console(kReadyLine);
  agent.run();
}

}  // namespace

int main(int argc, char** argv) {
  block_child_signal();
  try {
    if (argc == 3 && std::strcmp(argv[1], "--descriptor") == 0) {
      return serve_descriptor(std::atoi(argv[2]));
    }
    if (::getpid() != 1) {
      std::fputs("zcl_agent: I am the init process of a guest, or take --descriptor N\n", stderr);
      return 2;
    }
    serve_as_init();
  } catch (const std::exception& error) {
    zcl::guest::print_on_console(std::string("zcl-agent: failed: ") + error.what());
  }
  return 1;  // the kernel panics at the end of init: the host sees it
}
