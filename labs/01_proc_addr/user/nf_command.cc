// SPDX-License-Identifier: MIT
// Gives the module a command through /proc/nf_lab (kernel/control.c lists them).
//
//   nf_command WORD...
//
// Prints "started" first: `run` and `order` come back only when a signal ends them.
#include "file_descriptor.hh"

namespace {

using namespace zcl::user;

int give_command(int argc, char** argv) {
  std::string command;
  for (int i = 1; i < argc; ++i) command += std::string(i > 1 ? " " : "") + argv[i];
  const FileDescriptor control = open_file("/proc/nf_lab", O_WRONLY);
  std::puts("started");
  std::fflush(stdout);
  check("write /proc/nf_lab", ::write(control.get(), command.data(), command.size()));
  return EXIT_SUCCESS;
}

}  // namespace

int main(int argc, char** argv) {
  return run_program("nf_command", [&] { return give_command(argc, argv); });
}
