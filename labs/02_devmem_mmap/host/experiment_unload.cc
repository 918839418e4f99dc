// SPDX-License-Identifier: MIT
// Unloading the driver under a mapping: of /dev/mem, which holds nobody, and of the driver itself.
#include <cerrno>

#include "labs/02_devmem_mmap/host/bench.hh"
#include "labs/02_devmem_mmap/host/experiments.hh"

namespace zcl::lab02 {

namespace {

/// One page: the allocator hands out the page next that was freed last.
constexpr unsigned kBufferPages = 1;
constexpr std::uint64_t kBufferBytes = kBufferPages * kPage;

int try_to_unload(vm::Machine& machine) {
  try {
    machine.agent().unload_module("daq");
    return 0;
  } catch (const vm::GuestError& error) {
    return error.error_number();
  }
}

struct DevMemCase {
  int unload_error = 0;
  bool page_is_free = false;     ///< while the program still maps it
  bool sees_next_owner = false;  ///< what the next owner of the page wrote
};

/// The article's way: the address from the driver, the mapping from /dev/mem.
DevMemCase unload_under_devmem(lab::ExperimentContext& context) {
  auto machine = context.start("edu");
  context.load(machine, "devmem_gate");
  load_driver(context, machine, kBufferPages);
  Probe reader(context, machine);
  const auto daq = open_file(reader, "/dev/daq0", "rw");
  const auto buffer = reader.number("area " + daq + " 0", "DAQ_GET_AREA");
  reader.must("close " + daq, "close");
  const auto view = map_readable(reader, open_file(reader, "/dev/mem", "r"), buffer, kBufferBytes,
                                 "mapping the buffer through /dev/mem");
  DevMemCase result;
  result.unload_error = try_to_unload(machine);
  {
    const Pause pause(machine);
    const auto page = lookup(machine, reader.pid(), view);
    result.page_is_free = page && page_references(machine, page->physical_address) == 0;
  }
  if (result.unload_error != 0) return result;
  // The page's next owner: a buffer of the same size, filled by somebody else.
  load_driver(context, machine, kBufferPages);
  const MarkedPages secrets(context, kBufferPages);
  Probe owner(context, machine);
  secrets.fill_buffer(owner, open_file(owner, "/dev/daq0", "rw"));
  const Pause pause(machine);
  const auto page = lookup(machine, reader.pid(), view);
  for (std::size_t i = 0; page && i < secrets.size(); ++i) {
    result.sees_next_owner |= secrets.stand_at(machine, i, page->physical_address);
  }
  return result;
}

/// The driver's own mmap, its descriptor closed.
int unload_under_own_mapping(lab::ExperimentContext& context, bool& page_is_alive) {
  auto machine = context.start("edu");
  load_driver(context, machine, kBufferPages);
  Probe reader(context, machine);
  const auto daq = open_file(reader, "/dev/daq0", "r");
  const auto view = map_readable(reader, daq, kViewPfn, kBufferBytes, "mapping the buffer");
  reader.must("close " + daq, "close");
  const int error = try_to_unload(machine);
  const Pause pause(machine);
  const auto page = lookup(machine, reader.pid(), view);
  page_is_alive = page && page_references(machine, page->physical_address) > 0;
  return error;
}

}  // namespace

void show_unload(lab::ExperimentContext& context) {
  const auto then = unload_under_devmem(context);
  bool page_is_alive = false;
  const int now = unload_under_own_mapping(context, page_is_alive);
  context.metric("error_number", then.unload_error, {{"mapping", "/dev/mem"}});
  context.metric("error_number", now, {{"mapping", "the driver's mmap"}});
  context.metric("matches", then.sees_next_owner ? 1 : 0,
                 {{"observation", "a /dev/mem mapping shows the freed page's next owner"}});

  const bool refused = now == EWOULDBLOCK && page_is_alive;
  const std::string old_way =
      then.unload_error == 0 && then.page_is_free
          ? std::string(
                "Under a mapping of /dev/mem the module unloads and frees the page that "
                "the program still maps") +
                (then.sees_next_owner ? ", and the program then sees what the page's next owner "
                                        "writes"
                                      : "")
          : std::string("Under a mapping of /dev/mem the module was not unloaded");
  context.verdict(
      refused && then.unload_error == 0 ? report::ClaimVerdict::qualified
                                        : report::ClaimVerdict::confirmed,
      old_way + ". Under the driver's own mapping the unload is " +
          (refused ? "refused with EWOULDBLOCK, although the file was closed: the mapping holds "
                     "the file, and the file the module."
                   : "not refused."));
}

}  // namespace zcl::lab02
