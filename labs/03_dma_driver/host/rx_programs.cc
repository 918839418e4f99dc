// SPDX-License-Identifier: MIT
#include "labs/03_dma_driver/host/rx_programs.hh"

#include <fcntl.h>
#include <sys/file.h>

#include <map>
#include <set>

#include "harness/base/error.hh"
#include "harness/base/file_descriptor.hh"
#include "harness/base/paths.hh"
#include "harness/base/process.hh"
#include "harness/lab/build.hh"
#include "harness/vm/kernel_package.hh"
#include "labs/03_dma_driver/host/rx_run.hh"

namespace zcl::lab03 {

namespace {

namespace fs = std::filesystem;

constexpr const char* kLab = "03_dma_driver";

bool installed(const std::string& package) {
  const auto query = base::run_command(
      {.argv = {"dpkg-query", "-W", "-f", "${db:Status-Status}", package}, .environment = {}});
  return query.ok() && query.output == "installed";
}

fs::path staged_tree() {
  return base::build_root() / "bench" / "labs" / kLab;
}

/// Stages the sources, once a process. Held for as long as the answer lives: two programs at once
/// would disturb each other.
base::FileDescriptor lock_staged_tree() {
  const auto tree = staged_tree().parent_path();
  fs::create_directories(tree);
  base::FileDescriptor lock(base::check_system_call(
      "open build lock", ::open((tree / ".lock").c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600)));
  base::check_system_call("flock", ::flock(lock.get(), LOCK_EX));
  static bool staged = false;
  if (staged) return lock;
  lab::Lab lab;
  lab.id = kLab;
  lab.folder = base::source_root() / "labs" / kLab;
  for (const auto& receiver : rx_receivers()) lab.programs.push_back("user/" + receiver.program);
  lab::stage(lab, tree);
  staged = true;
  return lock;
}

/// `words` of a make in the staged tree.
void make(const std::vector<std::string>& words) {
  const auto lock = lock_staged_tree();
  base::Command command{
      .argv = {"make", "--no-print-directory"},
      .environment = {{"MAKEFLAGS", ""}, {"MFLAGS", ""}, {"MAKELEVEL", "0"}, {"LC_ALL", "C"}},
      .directory = staged_tree()};
  command.argv.insert(command.argv.end(), words.begin(), words.end());
  const auto made = base::run_command(command);
  if (!made.ok()) {
    throw EnvironmentError(words.front() + " of lab 03 does not build: " + made.output +
                           made.error);
  }
}

fs::path build(const RxReceiver& receiver) {
  const std::string target = "user/" + receiver.program;
  make({target});
  return staged_tree() / target;
}

}  // namespace

const std::vector<RxReceiver>& rx_receivers() {
  static const std::vector<RxReceiver> receivers = {
      {.name = "bare_ring", .program = "rx_bare", .sleeps = false, .by_stack = false},
      {.name = "ring_busy", .program = "rx_ring", .sleeps = false, .by_stack = false, .ours = true},
      {.name = "ring_poll", .program = "rx_ring", .by_stack = false, .ours = true},
      {.name = "ring_blocking", .program = "rx_ring", .by_stack = false, .ours = true},
      {.name = "dpdk",
       .program = "rx_dpdk",
       .sleeps = false,
       .by_stack = false,
       .package = "libdpdk-dev"},
      {.name = "tpacket_v3", .program = "rx_sockets"},
      {.name = "libpcap", .program = "rx_pcap"},
      {.name = "af_xdp", .program = "rx_xdp", .by_stack = false, .package = "libxdp-dev"},
      {.name = "recvfrom", .program = "rx_sockets"},
      {.name = "recvmmsg", .program = "rx_sockets"},
  };
  return receivers;
}

std::optional<std::string> unavailable(const RxReceiver& receiver) {
  if (receiver.package.empty() || installed(receiver.package)) return {};
  return "the Debian package " + receiver.package + " is not installed (`make bench` installs it)";
}

const fs::path& rx_program(const RxReceiver& receiver) {
  static std::map<std::string, fs::path> built;
  const auto found = built.find(receiver.program);
  if (found != built.end()) return found->second;
  return built.emplace(receiver.program, build(receiver)).first->second;
}

vm::Machine start_rx_machine(const RxReceiver& receiver, const std::string& kernel) {
  auto spec = rx_machine(kernel);
  if (!receiver.ours) return vm::Machine::start(spec);
  static std::set<std::string> built;
  if (built.insert(kernel).second) {
    make({"modules", "KDIR=" + vm::kernel_package(kernel).headers.string()});
  }
  spec.boot_modules.clear();
  auto machine = vm::Machine::start(spec);
  for (const std::string module : {"zcl_ring.ko", "zcl_e1000.ko"}) {
    const auto object = staged_tree() / "kernel" / module;
    machine.agent().put_file("/zcl/" + module, base::read_file(object));
    machine.agent().load_module("/zcl/" + module);
  }
  return machine;
}

}  // namespace zcl::lab03
