// SPDX-License-Identifier: MIT
// Received frames: who copies them, how often, and what it costs (rows A4, A5, A10).
#include <algorithm>
#include <cmath>
#include <sstream>

#include "harness/base/error.hh"
#include "harness/xray/figure.hh"
#include "labs/01_proc_addr/host/experiments.hh"
#include "labs/01_proc_addr/host/support.hh"

namespace zcl::lab01 {

using report::ClaimVerdict;

namespace {

constexpr std::size_t kEthernetHeader = 14;

std::string text(std::uint64_t value) {
  return std::to_string(value);
}

std::string with_two_decimals(double value) {
  const auto hundredths = static_cast<std::uint64_t>(std::llround(value * 100));
  const std::string rest = text(hundredths % 100);
  return text(hundredths / 100) + "." + (rest.size() < 2 ? "0" : "") + rest;
}

/// A machine whose NIC takes frames, and its cable.
struct Receiver {
  vm::Machine machine;
  wire::Link link;
  std::string interface;
};

Receiver make_receiver(lab::Context& context, const std::string& machine_name) {
  auto machine = context.start(machine_name);
  auto link = context.link(machine, "nic0");
  std::string interface = bring_up_nic(machine);
  return {std::move(machine), std::move(link), std::move(interface)};
}

/// How many times the host's interrupt controller saw the NIC's pin. The pin's number is the
/// guest's word; the count is not.
std::uint64_t nic_interrupts(vm::Machine& machine, const std::string& interface) {
  std::istringstream lines(machine.agent().get_text("/proc/interrupts"));
  for (std::string line; std::getline(lines, line);) {
    if (!line.ends_with(interface)) continue;
    const std::string pin = ":" + text(std::strtoull(line.c_str(), nullptr, 10));
    std::uint64_t raised = 0;
    for (const auto& [name, count] : machine.interrupts()) {
      if (name.ends_with(pin) && name.find("apic") != std::string::npos) raised += count;
    }
    return raised;
  }
  return 0;
}

/// Interrupts of the NIC that packets cause. The stock driver's watchdog raises one more every two
/// seconds of guest time, and a guest that waits for the host sees many seconds pass: those are
/// taken off.
class InterruptMeter {
 public:
  InterruptMeter(vm::Machine& machine, std::string interface)
      : machine_(machine),
        interface_(std::move(interface)),
        raised_(nic_interrupts(machine, interface_)),
        began_(machine.agent().monotonic_ns()) {}

  /// For each of `packets` since the meter was made.
  [[nodiscard]] double per_packet(std::uint64_t packets) const {
    constexpr double kWatchdogNs = 2e9;
    const auto elapsed = static_cast<double>(machine_.agent().monotonic_ns() - began_);
    const auto raised = static_cast<double>(nic_interrupts(machine_, interface_) - raised_);
    return std::max(0.0, raised - std::round(elapsed / kWatchdogNs)) / static_cast<double>(packets);
  }

 private:
  vm::Machine& machine_;
  std::string interface_;
  std::uint64_t raised_;
  std::uint64_t began_;
};

/// A way to receive: which programs and modules take part.
struct Method {
  std::string name;
  std::string program;
  std::string module_parameters;  ///< of nf_addr, empty: not loaded
  std::string counter;            ///< of /proc/nf_lab: counts frames in the ring
};

const std::vector<Method>& methods() {
  static const std::vector<Method> all{
      {"recvfrom", "nf_recv", "", ""},
      {"legacy ring", "nf_legacy_reader", "ring=legacy", "legacy_packets"},
      {"corrected ring", "nf_reader", "ring=corrected", "ring_packets"},
  };
  return all;
}

/// What the host saw of one frame that was received.
struct Reception {
  std::size_t places = 0;
  std::uint64_t syscalls = 0;  ///< of the loop that takes frames
  std::string figure;          ///< the places, as SVG
};

/// Receives one frame by `method` on a fresh machine; the reader still holds what it has.
Reception receive_one(lab::ExperimentContext& context, const Method& method,
                      const std::string& machine_name, std::size_t frame_bytes) {
  Receiver receiver = make_receiver(context, machine_name);
  vm::Machine& machine = receiver.machine;
  const wire::Frame frame = experiment_frame(context.random(), frame_bytes);
  const auto payload_bytes = payload_of(frame);
  const xray::Payload payload(base::Bytes(payload_bytes.begin(), payload_bytes.end()));
  const std::string program = context.install(machine, method.program);
  const auto read_until = [](vm::GuestProcess& reader, const std::string& wanted) {
    while (!reader.read_line(soon("the reader says " + wanted)).starts_with(wanted)) {
    }
  };
  const auto look = [&] {
    Reception seen;
    seen.syscalls = marked_window(machine).system_calls;
    const Paused still(machine);
    auto census = xray::take_census(machine.memory(), payload);
    xray::name_places(machine, census);
    seen.places = census.copies();
    seen.figure =
        xray::draw_census({.title = method.name + " on e1000: " + text(seen.places) + " places",
                           .subtitle = text(frame_bytes) + " bytes, machine " + machine_name},
                          machine.memory(), census, xray::trace_census(machine, "nic0", census));
    return seen;
  };
  if (method.module_parameters.empty()) {
    auto reader = machine.agent().start({.argv = {program, receiver.interface, "1"}});
    read_until(reader, "ready");
    receiver.link.send(frame.bytes, soon("the frame leaves"));
    read_until(reader, "received");
    return look();
  }
  context.load(machine, "devmem_gate");
  context.load(machine, "nf_addr", method.module_parameters + " tap=" + receiver.interface);
  receiver.link.send(frame.bytes, soon("the frame leaves"));
  wait_for_counter(machine, method.counter, 1);
  auto reader = machine.agent().start({.argv = {program, "quiet", "hold"}});
  read_until(reader, "no more data");
  return look();
}

}  // namespace

void legacy_copies(lab::ExperimentContext& context) {
  const auto frame_bytes = context.experiment().parameters.at("frame_bytes").get<std::size_t>();
  std::map<std::string, std::size_t> places;
  std::map<std::string, std::uint64_t> syscalls;
  std::string transcript;
  for (const std::string machine_name : {"default", "zeroing"}) {
    const std::string init_on_free = machine_name == "zeroing" ? "1" : "0";
    for (const auto& method : methods()) {
      const Reception seen = receive_one(context, method, machine_name, frame_bytes);
      places[method.name + init_on_free] = seen.places;
      syscalls[method.name] = seen.syscalls;
      const std::map<std::string, std::string> labels{{"method", method.name},
                                                      {"nic", "e1000"},
                                                      {"frame_bytes", text(frame_bytes)},
                                                      {"init_on_free", init_on_free}};
      context.metric("census_places", static_cast<double>(seen.places), labels);
      context.metric("copies", static_cast<double>(seen.places) - 1, labels);
      context.metric("syscalls_per_packet", static_cast<double>(seen.syscalls), labels);
      if (init_on_free == "0") context.figure(seen.figure);
      transcript += "init_on_free=" + init_on_free + ", " + method.name + ": " + text(seen.places) +
                    " places, " + text(seen.syscalls) + " system calls\n";
    }
  }
  context.transcript(transcript);
  const bool more = places["legacy ring0"] > places["recvfrom0"];
  context.verdict(
      more ? ClaimVerdict::refuted : ClaimVerdict::qualified,
      "A frame of " + text(frame_bytes) + " bytes stands in " + text(places["recvfrom0"]) +
          " places after recvfrom, in " + text(places["legacy ring0"]) +
          " after the article's ring (NIC buffer, ring, the reader's own copy) and in " +
          text(places["corrected ring0"]) +
          " when it is read in the ring. Copying into a mapped buffer saves system "
          "calls (" +
          text(syscalls["recvfrom"]) + " and " + text(syscalls["legacy ring"]) +
          " for the packet), not a copy; only DMA into that buffer would.");
}

void tap(lab::ExperimentContext& context) {
  const auto count = context.experiment().parameters.at("frames").get<std::uint64_t>();
  constexpr std::uint64_t kRingBytes = 4096ULL << 7;
  std::map<std::string, std::uint64_t> matching;
  for (const std::string variant : {"corrected", "article"}) {
    Receiver receiver = make_receiver(context, "default");
    vm::Machine& machine = receiver.machine;
    const Stamp id = fresh_stamp(context.random());
    context.load(machine, "nf_addr",
                 "order=7 stamp=" + to_hex(id) + " tap=" + receiver.interface +
                     (variant == "article" ? " tap_as_article=1" : ""));
    machine.pause();
    const RingView ring(machine.memory(), id, kRingBytes);
    machine.resume();
    // The least of all frames: in a guest that waits for the host time flies, and the driver's
    // watchdog raises an interrupt of its own every two seconds.
    std::uint64_t interrupts = UINT64_MAX;
    std::vector<wire::Frame> frames;
    for (std::uint64_t i = 0; i < count; ++i) {
      frames.push_back(experiment_frame(context.random(), 60 + context.random().below(1455)));
      const auto before = nic_interrupts(machine, receiver.interface);
      receiver.link.send(frames.back().bytes, soon("a frame leaves"));
      // One at a time: how many share an interrupt in a burst is chance.
      wait_until(machine, "the frame is in the ring",
                 [&](const vm::GuestMemory&) { return ring.header().head > i; });
      interrupts = std::min(interrupts, nic_interrupts(machine, receiver.interface) - before);
    }
    // Read them all: the loop needs no system call.
    context.load(machine, "devmem_gate");
    const auto read =
        machine.agent().run({.argv = {context.install(machine, "nf_reader"), "quiet"}});
    if (!read.ok()) throw EnvironmentError("nf_reader failed: " + read.error);
    const auto read_syscalls = marked_window(machine).system_calls;
    const std::size_t missing = variant == "article" ? kEthernetHeader : 0;
    const Paused still(machine);
    for (std::uint64_t i = 0; i < count; ++i) {
      const auto record = ring.record(i);
      const auto& sent = frames[i].bytes;
      matching[variant] += std::ranges::equal(base::ByteView(sent).subspan(missing), record);
    }
    context.metric(
        "matches", static_cast<double>(matching[variant]),
        {{"tap", variant}, {"compared_from_byte", text(missing)}, {"frames", text(count)}});
    context.metric("interrupts_per_packet", static_cast<double>(interrupts), {{"tap", variant}});
    context.metric("syscalls_per_packet",
                   static_cast<double>(read_syscalls) / static_cast<double>(count),
                   {{"tap", variant}});
  }
  const bool both = matching["corrected"] == count && matching["article"] == count;
  context.verdict(
      both ? ClaimVerdict::qualified : ClaimVerdict::not_testable,
      "With the stock e1000 driver and a packet handler that takes the frame from its MAC "
      "header, " +
          text(matching["corrected"]) + " of " + text(count) +
          " frames are in the buffer byte for byte. Taken from skb->data as in the article, " +
          text(matching["article"]) + " of " + text(count) +
          " lack exactly their first 14 bytes: the Ethernet header was pulled before.");
}

void hand_over(lab::ExperimentContext& context) {
  const auto buffers = context.experiment().parameters.at("buffers").get<std::uint64_t>();
  auto machine = context.start("default");
  const std::string interface = bring_up_nic(machine);
  context.load(machine, "nf_addr", "order=4 tap=" + interface);
  command(machine, "handover " + text(buffers));
  auto seen = counters(machine);
  const auto direct = seen["handover_freed_after_netif_receive_skb"];
  const auto process = seen["handover_freed_after_netif_rx"];
  const auto queued = seen["handover_freed_after_queueing"];
  const auto softirq = seen["handover_freed_after_softirq"];
  const auto record = [&](const std::string& when, std::uint64_t freed) {
    context.metric("matches", static_cast<double>(freed),
                   {{"freed_when", when}, {"buffers", text(buffers)}});
  };
  record("netif_receive_skb returns", direct);
  record("netif_rx returns, process context", process);
  record("netif_rx returns, softirqs off", queued);
  record("softirqs ran", softirq);
  const bool gone = direct == buffers && process == buffers && softirq == buffers;
  context.verdict(
      gone ? ClaimVerdict::refuted : ClaimVerdict::qualified,
      "Of " + text(buffers) + " buffers each: " + text(direct) +
          " were freed when netif_receive_skb returned, " + text(process) +
          " when netif_rx returned in process context; with softirqs off, as in an interrupt "
          "handler, " +
          text(queued) + " on return and " + text(softirq) +
          " as soon as softirqs ran (on a second processor: at any moment). What is read after "
          "that is somebody else's memory. Also, skb->data already stood " +
          text(seen["handover_pulled_bytes"]) + " bytes into the frame.");
}

namespace {

struct ClassicCost {
  double syscalls = 0;
  double interrupts_alone = 0;  ///< frames one at a time
  double interrupts_burst = 0;  ///< frames as fast as the wire takes them
};

/// What happened in the machine while `packets` frames came as fast as the wire takes them.
struct Burst {
  double syscalls_per_packet = 0;
  double interrupts_per_packet = 0;
};

Burst receive_burst(lab::ExperimentContext& context, Receiver& receiver, const std::string& program,
                    std::uint64_t packets) {
  vm::Machine& machine = receiver.machine;
  // Before the receiver starts: asking the guest costs system calls, too.
  const InterruptMeter meter(machine, receiver.interface);
  auto reader = machine.agent().start({.argv = {program, receiver.interface, text(packets)}});
  reader.read_line(soon("the receiver is ready"));
  for (std::uint64_t i = 0; i < packets; ++i) {
    receiver.link.send(experiment_frame(context.random(), 300).bytes, soon("a frame leaves"));
  }
  reader.read_line(soon("all frames are received"));
  return {static_cast<double>(marked_window(machine).system_calls) / static_cast<double>(packets),
          meter.per_packet(packets)};
}

/// One recvfrom a packet: system calls and interrupts, as the host counts them.
ClassicCost classic_cost(lab::ExperimentContext& context, std::uint64_t packets) {
  Receiver receiver = make_receiver(context, "default");
  vm::Machine& machine = receiver.machine;
  const std::string program = context.install(machine, "nf_recv");
  ClassicCost cost;
  const Burst burst = receive_burst(context, receiver, program, packets);
  cost.syscalls = burst.syscalls_per_packet;
  cost.interrupts_burst = burst.interrupts_per_packet;

  auto reader =
      machine.agent().start({.argv = {program, receiver.interface, text(packets), "each"}});
  reader.read_line(soon("the receiver is ready"));
  const InterruptMeter meter(machine, receiver.interface);
  for (std::uint64_t i = 0; i < packets; ++i) {
    receiver.link.send(experiment_frame(context.random(), 300).bytes, soon("a frame leaves"));
    reader.read_line(soon("a frame is received"));
  }
  cost.interrupts_alone = meter.per_packet(packets);
  return cost;
}

}  // namespace

void classic_path(lab::ExperimentContext& context) {
  const auto& parameters = context.experiment().parameters;
  const auto sizes = parameters.at("frame_bytes").get<std::vector<std::size_t>>();
  const auto packets = parameters.at("packets").get<std::uint64_t>();
  std::map<std::size_t, std::size_t> places;
  std::string transcript;
  Receiver receiver = make_receiver(context, "default");
  vm::Machine& machine = receiver.machine;
  const std::string program = context.install(machine, "nf_recv");
  report::Series series{.name = "places",
                        .x_label = "frame (bytes)",
                        .y_label = "places in memory",
                        .points = {},
                        .labels = {{"method", "recvfrom"}}};
  for (const std::size_t size : sizes) {
    const wire::Frame frame = experiment_frame(context.random(), size);
    const auto bytes = payload_of(frame);
    const xray::Payload payload(base::Bytes(bytes.begin(), bytes.end()));
    auto reader = machine.agent().start({.argv = {program, receiver.interface, "1"}});
    reader.read_line(soon("the receiver is ready"));
    receiver.link.send(frame.bytes, soon("the frame leaves"));
    reader.read_line(soon("the frame is received"));
    {
      const Paused still(machine);
      places[size] = xray::take_census(machine.memory(), payload).copies();
    }
    reader.close_input();
    reader.wait(soon("the receiver ends"));
    const std::map<std::string, std::string> labels{{"method", "recvfrom"},
                                                    {"nic", "e1000"},
                                                    {"frame_bytes", text(size)},
                                                    {"init_on_free", "0"}};
    context.metric("census_places", static_cast<double>(places[size]), labels);
    context.metric("copies", static_cast<double>(places[size]) - 1, labels);
    series.points.emplace_back(size, places[size]);
    transcript += text(size) + " bytes: " + text(places[size]) + " places, " +
                  text(places[size] - 1) + " by the processor\n";
  }
  context.series(series);
  context.transcript(transcript);
  const ClassicCost cost = classic_cost(context, packets);
  context.metric("syscalls_per_packet", cost.syscalls, {{"method", "recvfrom"}});
  context.metric("interrupts_per_packet", cost.interrupts_alone,
                 {{"method", "recvfrom"}, {"arrival", "one at a time"}});

  const std::size_t small = sizes.front();
  const std::size_t large = sizes.back();
  context.verdict(
      places[small] == 3 && places[large] == 2 ? ClaimVerdict::qualified
                                               : ClaimVerdict::not_testable,
      "A frame of " + text(large) + " bytes stands in " + text(places[large]) +
          " places: the NIC's own transfer is not a copy by the processor, so there is one. Small "
          "frames (" +
          text(small) + " bytes: " + text(places[small]) +
          " places) are copied once more by the driver into a small socket buffer (copybreak). " +
          with_two_decimals(cost.syscalls) + " system calls a packet, as the article says; " +
          with_two_decimals(cost.interrupts_alone) +
          " interrupts when frames come one at a time, " +
          with_two_decimals(cost.interrupts_burst) + " in a burst.");
}

}  // namespace zcl::lab01
