// SPDX-License-Identifier: MIT
// Checks of the ring: steps write and read.
#include <algorithm>
#include <cerrno>
#include <csignal>
#include <sstream>

#include "harness/base/error.hh"
#include "labs/01_proc_addr/host/checks.hh"
#include "labs/01_proc_addr/host/support.hh"

namespace zcl::lab01 {

namespace {

constexpr unsigned kSmallOrder = 4;
constexpr std::uint64_t kSmallRing = 4096ULL << kSmallOrder;

std::string text(std::uint64_t value) {
  return std::to_string(value);
}

std::string ring_parameters(unsigned order, const Stamp& id) {
  return "order=" + text(order) + " stamp=" + to_hex(id);
}

/// Requires the records first … last - 1 of `seed` in the ring.
void require_records(const RingView& ring, std::uint64_t seed, std::uint64_t first,
                     std::uint64_t last) {
  for (std::uint64_t number = first; number < last; ++number) {
    lab::CheckContext::require(ring.record(number) == expected_record(seed, number),
                               "Record " + text(number) + " (slot " + text(number % ring.slots()) +
                                   ") is not what was written: the slot's length says " +
                                   text(ring.length(number)) + ", it should be " +
                                   text(expected_record(seed, number).size()) + ".");
  }
}

void require_counts(const RingView& ring, std::uint64_t head, std::uint64_t dropped) {
  const auto header = ring.header();
  lab::CheckContext::require(header.head == head, "The header's head is " + text(header.head) +
                                                      " after " + text(head) + " records went in.");
  lab::CheckContext::require(header.dropped == dropped,
                             "The header counts " + text(header.dropped) +
                                 " dropped records; it should be " + text(dropped) + ".");
}

std::string fill(std::uint64_t seed, std::uint64_t first, std::uint64_t count) {
  return "fill " + text(seed) + " " + text(first) + " " + text(count);
}

/// A record of exactly the most that a slot holds is taken, one byte more is refused untouched.
void check_long_records(lab::CheckContext& context, vm::Machine& machine, const RingView& ring,
                        std::uint64_t head, std::uint64_t dropped) {
  const auto after_slot = ring.slot_address(head + 2);
  base::Bytes before;
  {
    const Paused still(machine);
    const auto bytes = machine.memory().view(after_slot, NF_RING_SLOT_BYTES);
    before.assign(bytes.begin(), bytes.end());
  }
  const int longest = refusal(machine, "long " + text(NF_RING_DATA_BYTES) + " 1");
  context.require(longest == 0, "A record of " + text(NF_RING_DATA_BYTES) +
                                    " bytes fits a slot, but was refused with errno " +
                                    std::to_string(longest) + ".");
  const int error = refusal(machine, "long " + text(NF_RING_DATA_BYTES + 1) + " 1");
  const Paused still(machine);
  context.require(error == EMSGSIZE, "A record of " + text(NF_RING_DATA_BYTES + 1) +
                                         " bytes does not fit a slot and must be refused with "
                                         "EMSGSIZE; the answer was errno " +
                                         std::to_string(error) + ".");
  context.require(ring.length(head) == NF_RING_DATA_BYTES, "The longest record's length is wrong.");
  context.require(std::ranges::equal(machine.memory().view(after_slot, NF_RING_SLOT_BYTES), before),
                  "A record that is too long ran into the next slot.");
  require_counts(ring, head + 1, dropped + 1);
}

}  // namespace

void check_write(lab::CheckContext& context) {
  auto machine = context.start("default");
  const Stamp id = fresh_stamp(context.random());
  const std::uint64_t seed = context.random().next();
  context.load(machine, "nf_addr", ring_parameters(kSmallOrder, id));
  machine.pause();
  const RingView ring(machine.memory(), id, kSmallRing);
  machine.resume();
  const std::uint64_t slots = ring.slots();

  command(machine, fill(seed, 0, slots - 3));
  {
    const Paused still(machine);
    require_counts(ring, slots - 3, 0);
    require_records(ring, seed, 0, slots - 3);
  }
  // Five more into three free slots: two are refused, and nothing unread is overwritten.
  command(machine, fill(seed, slots - 3, 5));
  {
    const Paused still(machine);
    require_counts(ring, slots, 2);
    require_records(ring, seed, 0, slots);
  }
  // Once round.
  command(machine, "take " + text(slots - 4));
  command(machine, fill(seed, slots, 7));
  {
    const Paused still(machine);
    require_counts(ring, slots + 7, 2);
    require_records(ring, seed, slots - 4, slots + 7);
  }
  check_long_records(context, machine, ring, slots + 7, 2);
  context.require_quiet_kernel(machine);
  context.observed(text(slots + 7) +
                   " records byte for byte; a full ring and a long record refused.");
}

namespace {

/// What one stop of the machine shows.
struct Moment {
  std::uint64_t head = 0;
  std::uint64_t visible = 0;  ///< records between tail and head
  std::uint64_t broken = 0;   ///< of those, not whole
};

Moment look(const RingView& ring, const std::vector<base::Bytes>& records) {
  const auto header = ring.header();
  Moment moment{.head = header.head};
  if (header.head - header.tail > ring.slots()) return moment;
  for (std::uint64_t number = header.tail; number < header.head; ++number) {
    ++moment.visible;
    if (ring.record(number) != records[number % records.size()]) ++moment.broken;
  }
  return moment;
}

}  // namespace

void check_write_order(lab::CheckContext& context) {
  constexpr int kStops = 200;
  constexpr int kFewestStops = 50;
  auto machine = context.start("default");
  const Stamp id = fresh_stamp(context.random());
  const std::uint64_t seed = context.random().next();
  std::vector<base::Bytes> records;
  for (std::uint64_t i = 0; i < NF_RECORD_CYCLE; ++i) records.push_back(expected_record(seed, i));

  context.load(machine, "nf_addr", ring_parameters(kSmallOrder, id));
  machine.pause();
  const RingView ring(machine.memory(), id, kSmallRing);
  machine.resume();
  auto writer =
      machine.agent().start({.argv = {context.install(machine, "nf_command"), "run", text(seed)},
                             .time_limit = std::chrono::seconds(120)});
  writer.read_line(soon("the endless writer starts"));

  std::uint64_t visible = 0;
  int stops = 0;
  int stops_with_broken = 0;
  std::uint64_t last_head = 0;
  const auto deadline = base::Deadline("the writer moves between stops", std::chrono::seconds(40));
  while (stops < kStops && !deadline.passed()) {
    const Paused still(machine);
    const Moment moment = look(ring, records);
    // On a busy host the guest may not have run at all since the last stop.
    if (moment.head == last_head) continue;
    last_head = moment.head;
    ++stops;
    visible += moment.visible;
    stops_with_broken += moment.broken != 0 ? 1 : 0;
  }
  writer.send_signal(SIGKILL);
  context.require(
      stops > kFewestStops && visible > 0,
      "The writer hardly moves: in 40 seconds head advanced " + std::to_string(stops) + " times.");
  context.require(stops_with_broken == 0,
                  "At " + std::to_string(stops_with_broken) + " of " + std::to_string(stops) +
                      " stops a record was visible (below head) that was not whole.");
  context.require_quiet_kernel(machine);
  context.observed(text(visible) + " visible records at " + std::to_string(stops) +
                   " stops, all whole.");
}

void check_write_trust(lab::CheckContext& context) {
  constexpr std::uint64_t kBefore = 5;
  auto machine = context.start("default");
  const Stamp id = fresh_stamp(context.random());
  const std::uint64_t seed = context.random().next();
  context.load(machine, "nf_addr", ring_parameters(kSmallOrder, id));
  machine.pause();
  const RingView ring(machine.memory(), id, kSmallRing);
  machine.resume();
  command(machine, fill(seed, 0, kBefore));

  // What a reader could do through its mapping: the constants, the counts and head, all spoiled.
  auto spoil = [&](std::size_t offset) {
    command(machine, "poke " + text(offset) + " " + to_hex(context.random().bytes(16)));
  };
  spoil(offsetof(nf_ring_header, magic));
  spoil(offsetof(nf_ring_header, packets));
  spoil(offsetof(nf_ring_header, head));
  command(machine, fill(seed, kBefore, 3));
  {
    const Paused still(machine);
    const auto header = ring.header();
    context.require(header.head == kBefore + 3,
                    "A reader wrote garbage to head. After three more records head should again "
                    "be " +
                        text(kBefore + 3) + ", the writer's own count; it is " + text(header.head) +
                        ".");
    require_records(ring, seed, 0, kBefore + 3);
  }
  // Any tail: the records may be lost, the kernel may not.
  for (int i = 0; i < 8; ++i) {
    spoil(offsetof(nf_ring_header, tail));
    command(machine, fill(seed, 0, ring.slots() + 1));
  }
  machine.agent().get_text("/proc/version");
  context.require_quiet_kernel(machine);
  machine.agent().unload_module("nf_addr");
  context.observed("Garbage in every field of the header: the writer kept its own count.");
}

namespace {

std::vector<std::string> lines_until_end(vm::GuestProcess& process) {
  std::vector<std::string> lines;
  const auto deadline = soon("the reader prints what it read");
  do {
    lines.push_back(process.read_line(deadline));
  } while (lines.back() != "no more data" && lines.size() < 10000);
  return lines;
}

bool maps_page(vm::Machine& machine, int pid, vm::PhysicalAddress address) {
  const auto mappings = xray::find_mappings(machine, address);
  return std::ranges::any_of(mappings,
                             [&](const xray::Mapping& mapping) { return mapping.task.pid == pid; });
}

}  // namespace

void check_read(lab::CheckContext& context) {
  constexpr std::uint64_t kFrames = 24;
  auto machine = context.start("default");
  const Stamp id = fresh_stamp(context.random());
  auto link = context.link(machine, "nic0");
  const std::string interface = bring_up_nic(machine);
  context.load(machine, "devmem_gate");
  context.load(machine, "nf_addr", ring_parameters(kSmallOrder, id) + " tap=" + interface);
  auto reader =
      machine.agent().start({.argv = {context.install(machine, "nf_reader"), text(kFrames), "hold"},
                             .time_limit = std::chrono::seconds(60)});
  context.require(reader.read_line(soon("the reader is ready")) == "ready",
                  "The reader did not say that it is ready.");

  std::vector<wire::Frame> frames;
  for (std::uint64_t i = 0; i < kFrames; ++i) {
    frames.push_back(experiment_frame(context.random(), 60 + context.random().below(1455)));
    link.send(frames.back().bytes, soon("a frame leaves"));
  }
  const auto lines = lines_until_end(reader);
  context.require(lines.size() == kFrames + 1, "The reader printed " + text(lines.size() - 1) +
                                                   " records for " + text(kFrames) + " frames.");
  for (std::uint64_t i = 0; i < kFrames; ++i) {
    const std::string wanted = text(i + 1) + ":" + to_hex(frames[i].bytes) +
                               "[size = " + text(frames[i].bytes.size()) + "]";
    context.require(lines[i] == wanted, "Frame " + text(i + 1) + " of " +
                                            text(frames[i].bytes.size()) +
                                            " bytes was printed as " + lines[i].substr(0, 60) +
                                            (lines[i].size() > 60 ? "…" : ""));
  }
  const Paused still(machine);
  const RingView ring(machine.memory(), id, kSmallRing);
  context.require(ring.header().tail == kFrames,
                  "After " + text(kFrames) + " records were read, tail in the header is " +
                      text(ring.header().tail) + ": the writer never learns that slots are free.");
  context.require(maps_page(machine, reader.pid(), ring.base()) &&
                      maps_page(machine, reader.pid(), ring.slot_address(0)),
                  "No page-table entry of the reader leads to the ring's pages.");
  context.observed(text(kFrames) +
                   " frames from the wire, read in place: the reader's page tables "
                   "lead to the page at " +
                   text(ring.base()) + ".");
}

void check_read_length(lab::CheckContext& context) {
  auto machine = context.start("default");
  const Stamp id = fresh_stamp(context.random());
  const std::uint64_t seed = context.random().next();
  context.load(machine, "devmem_gate");
  context.load(machine, "nf_addr", ring_parameters(kSmallOrder, id));
  command(machine, fill(seed, 0, 5));
  // Two lengths that cannot be true: one byte too many, and all ones.
  const std::array<std::pair<std::uint64_t, std::uint32_t>, 2> spoiled{
      {{1, NF_RING_DATA_BYTES + 1}, {3, 0xffffffff}}};
  for (const auto& [number, length] : spoiled) {
    base::Bytes bytes = context.random().bytes(16);
    std::memcpy(bytes.data(), &length, sizeof length);
    command(machine, "poke " + text(NF_RING_HEADER_BYTES + number * NF_RING_SLOT_BYTES) + " " +
                         to_hex(bytes));
  }
  const auto result = machine.agent().run({.argv = {context.install(machine, "nf_reader")}});
  context.require(result.signal == 0, "The reader was ended by signal " +
                                          std::to_string(result.signal) +
                                          " when it met a length that cannot be true.");
  std::istringstream output(result.output);
  std::string line;
  for (std::uint64_t i = 0; i < 5; ++i) {
    std::getline(output, line);
    const auto whole = expected_record(seed, i);
    const std::string wanted =
        text(i + 1) + (i == 1 || i == 3
                           ? ":damaged"
                           : ":" + to_hex(whole) + "[size = " + text(whole.size()) + "]");
    context.require(line == wanted, "Record " + text(i + 1) + " should have been printed as " +
                                        wanted.substr(0, 40) + ", not as " + line.substr(0, 40));
  }
  context.observed("Two damaged records reported, the three whole ones around them read.");
}

}  // namespace zcl::lab01
