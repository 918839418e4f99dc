// SPDX-License-Identifier: MIT
// Step `address`: the addresses that the driver hands out are true, and a region that the kernel
// uses itself is refused.
#include <algorithm>
#include <cerrno>

#include "harness/xray/census.hh"
#include "labs/02_devmem_mmap/host/bench.hh"
#include "labs/02_devmem_mmap/host/checks.hh"

namespace zcl::lab02 {

namespace {

constexpr unsigned kBufferPages = 16;
constexpr unsigned kOrdinaryUser = 1000;

struct Area {
  std::uint64_t physical = 0;
  std::uint64_t bytes = 0;
};

Area ask_area(Probe& probe, const std::string& file, unsigned id) {
  const auto words = probe.must("area " + file + " " + std::to_string(id),
                                "DAQ_GET_AREA of area " + std::to_string(id));
  if (words.size() != 2) throw lab::CheckFailed("DAQ_GET_AREA gave no address and size.");
  return {std::stoull(words[0], nullptr, 16), std::stoull(words[1])};
}

void require_refused_questions(Probe& probe, const std::string& file) {
  // _IOWR('q', 1, struct of 24 bytes): Documentation/userspace-api/ioctl/ioctl-number.rst.
  constexpr std::uint64_t kGetArea = 0xc0187101;
  const auto fails = [&](const std::string& command, int error, const std::string& what) {
    const auto answer = probe.ask(command);
    lab::CheckContext::require(!answer.ok && answer.error == error,
                               "DAQ_GET_AREA with " + what + " should end with errno " +
                                   std::to_string(error) + "; " +
                                   (answer.ok ? "it succeeded" : "it said: " + answer.text) + ".");
  };
  fails("area " + file + " 2", EINVAL, "an area that does not exist");
  fails("ioctl_number " + file + " " + to_hex(kGetArea) + " 16", EFAULT, "a bad pointer");
  fails("ioctl " + file + " " + to_hex(kGetArea) + " 00000000" + "01000000" + std::string(32, '0'),
        EINVAL, "its `zero` field set");
}

/// Where firmware put the device's registers; the device itself need not be enabled yet.
std::uint64_t first_register_address(lab::Context& context, vm::Machine& machine) {
  Probe probe(context, machine);
  const auto device = probe.must("find_device", "finding the device").at(0);
  probe.finish();
  const auto ranges = machine.agent().get_text("/sys/bus/pci/devices/" + device + "/resource");
  return std::stoull(ranges, nullptr, 16);
}

}  // namespace

void check_address(lab::CheckContext& context) {
  auto machine = context.start("edu");
  const auto secret_page = context.random().below(kRegionBytes / kPage);
  const auto mark = context.random().bytes(kMarkBytes);
  write_reserved(context, machine, kRegion + secret_page * kPage, mark);
  load_driver(context, machine, kBufferPages);

  Probe probe(context, machine);
  const auto daq = open_file(probe, "/dev/daq0", "rw");
  const auto region = ask_area(probe, daq, 1);
  context.require(region.physical == kRegion && region.bytes == kRegionBytes,
                  "The region is at " + to_hex(kRegion) + ", " + std::to_string(kRegionBytes) +
                      " bytes; the ioctl says " + to_hex(region.physical) + ", " +
                      std::to_string(region.bytes) + ".");

  const auto buffer = ask_area(probe, daq, 0);
  const auto page = context.random().below(kBufferPages);
  const xray::Payload payload(context.random(), kMarkBytes);
  probe.must("fill " + daq + " " + to_hex(page * kPage) + " " + to_hex(payload.bytes()),
             "writing a pattern to /dev/daq0");

  const auto memory = open_file(probe, "/dev/mem", "r");
  const auto mapped = map_readable(probe, memory, region.physical + secret_page * kPage, kPage,
                                   "Mapping the region's address through /dev/mem");
  {
    const Pause pause(machine);
    const auto census = xray::take_census(machine.memory(), payload);
    context.require(std::ranges::any_of(census.places,
                                        [&](const auto& place) {
                                          return place.address == buffer.physical + page * kPage;
                                        }),
                    "The ioctl says that the buffer is at " + to_hex(buffer.physical) +
                        "; what was written to it does not stand there.");
    context.require(buffer.bytes == kBufferPages * kPage,
                    "The buffer has " + std::to_string(kBufferPages * kPage) +
                        " bytes; the ioctl says " + std::to_string(buffer.bytes) + ".");
    const auto found = lookup(machine, probe.pid(), mapped);
    context.require(found && std::ranges::equal(
                                 machine.memory().view(found->physical_address, kMarkBytes), mark),
                    "The program's page table does not lead to what was put into the region.");
  }

  require_refused_questions(probe, daq);
  Probe ordinary(context, machine, kOrdinaryUser);
  const auto file = open_file(ordinary, "/dev/daq0", "r");
  const auto answer = ordinary.ask("area " + file + " 1");
  context.require(!answer.ok && answer.error == EPERM,
                  "A user without CAP_SYS_RAWIO must get EPERM, not a physical address.");
  context.require_quiet_kernel(machine);
  context.observed("region " + to_hex(region.physical) + " and buffer " + to_hex(buffer.physical) +
                   " hold what the host put there");
}

void check_refuse_ram(lab::CheckContext& context) {
  auto machine = context.start("edu");
  struct Bad {
    std::uint64_t start;
    std::uint64_t bytes;
    const char* what;
  };
  const Bad all_bad[] = {
      {kRegion / 2, kPage, "ordinary RAM"},
      {kRegion - kPage, 2 * kPage, "a region that begins in ordinary RAM"},
      {kRegion + kRegionBytes, 2 * kRegionBytes, "a region that ends in ordinary RAM"},
      {kRegion + 0x800, kPage, "a start that is not page aligned"},
      {kRegion, kPage + 0x800, "a size that is not page aligned"},
      {0xf0000, kPage, "the firmware's memory below 1 MiB"},
      {0xfffffffffffff000, 2 * kPage, "a region whose end overflows"},
      {first_register_address(context, machine), kPage, "a device's registers"},
  };
  for (const auto& bad : all_bad) {
    try {
      context.load(machine, "daq",
                   "region_start=" + to_hex(bad.start) + " region_bytes=" + to_hex(bad.bytes));
    } catch (const vm::GuestError&) {
      // As it should be.
    }
    const Pause pause(machine);
    context.require(!module_is_loaded(machine, "daq"),
                    std::string("The module loads with ") + bad.what + " (" + to_hex(bad.start) +
                        ", " + std::to_string(bad.bytes) + " bytes) as its region.");
  }
  load_driver(context, machine, kBufferPages);
  {
    const Pause pause(machine);
    context.require(module_is_loaded(machine, "daq"), "The module refuses a good region.");
  }
  context.require_quiet_kernel(machine);
  context.observed(std::to_string(std::size(all_bad)) + " bad regions refused");
}

}  // namespace zcl::lab02
