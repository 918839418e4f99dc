// SPDX-License-Identifier: MIT
#include "labs/03_dma_driver/host/rx_programs.hh"

#include <map>

#include "harness/base/error.hh"
#include "harness/base/paths.hh"
#include "harness/base/process.hh"
#include "harness/lab/build.hh"

namespace zcl::lab03 {

namespace {

namespace fs = std::filesystem;

constexpr const char* kLab = "03_dma_driver";

bool installed(const std::string& package) {
  const auto query = base::run_command(
      {.argv = {"dpkg-query", "-W", "-f", "${db:Status-Status}", package}, .environment = {}});
  return query.ok() && query.output == "installed";
}

/// The sources without the kernel modules, which no program here needs.
const fs::path& staged_tree() {
  static const fs::path tree = [] {
    lab::Lab lab;
    lab.id = kLab;
    lab.folder = base::source_root() / "labs" / kLab;
    for (const auto& receiver : rx_receivers()) lab.programs.push_back("user/" + receiver.program);
    auto to = base::build_root() / "bench" / "labs";
    lab::stage(lab, to);
    return to / kLab;
  }();
  return tree;
}

fs::path build(const RxReceiver& receiver) {
  if (!receiver.package.empty() && !installed(receiver.package)) {
    throw EnvironmentError(receiver.name + " needs the Debian package " + receiver.package +
                           ", which `make bench` installs.");
  }
  const std::string target = "user/" + receiver.program;
  const auto made = base::run_command(
      {.argv = {"make", "--no-print-directory", target},
       .environment = {{"MAKEFLAGS", ""}, {"MFLAGS", ""}, {"MAKELEVEL", "0"}, {"LC_ALL", "C"}},
       .directory = staged_tree()});
  if (!made.ok()) {
    throw EnvironmentError(receiver.program + " does not build: " + made.output + made.error);
  }
  return staged_tree() / target;
}

}  // namespace

const std::vector<RxReceiver>& rx_receivers() {
  static const std::vector<RxReceiver> receivers = {
      {"bare_ring", "rx_bare", "", false},      {"dpdk", "rx_dpdk", "libdpdk-dev", false},
      {"tpacket_v3", "rx_sockets", "", true},   {"libpcap", "rx_pcap", "", true},
      {"af_xdp", "rx_xdp", "libxdp-dev", true}, {"recvfrom", "rx_sockets", "", true},
      {"recvmmsg", "rx_sockets", "", true},
  };
  return receivers;
}

const fs::path& rx_program(const RxReceiver& receiver) {
  static std::map<std::string, fs::path> built;
  const auto found = built.find(receiver.program);
  if (found != built.end()) return found->second;
  return built.emplace(receiver.program, build(receiver)).first->second;
}

}  // namespace zcl::lab03
