// SPDX-License-Identifier: MIT
// Received frames: who copies them, how often, and what it costs (rows A4, A5, A10).
#include <algorithm>
#include <sstream>

#include "harness/base/error.hh"
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
  const auto hundredths = static_cast<std::uint64_t>(value * 100 + 0.5);
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

/// A way to receive: which programs and modules take part, and when a frame has arrived.
struct Method {
  std::string name;
  std::string module_parameters;  ///< of nf_addr, empty: not loaded
  std::string program;
};

const std::vector<Method>& methods() {
  static const std::vector<Method> all{
      {"recvfrom", "", "nf_recv"},
      {"legacy ring", "ring=legacy", "nf_legacy_reader"},
      {"corrected ring", "ring=corrected", "nf_reader"},
  };
  return all;
}

/// Receives `frame` by `method` on a fresh machine; the reader still holds what it has.
xray::Census census_of(lab::ExperimentContext& context, const Method& method,
                       const std::string& machine_name, const wire::Frame& frame) {
  Receiver receiver = make_receiver(context, machine_name);
  vm::Machine& machine = receiver.machine;
  const auto payload_bytes = payload_of(frame);
  const xray::Payload payload(base::Bytes(payload_bytes.begin(), payload_bytes.end()));
  const std::string program = context.install(machine, method.program);
  if (!method.module_parameters.empty()) {
    context.load(machine, "devmem_gate");
    context.load(machine, "nf_addr", method.module_parameters + " tap=" + receiver.interface);
  }
  const auto start = [&](std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), program);
    return machine.agent().start({.argv = std::move(arguments)});
  };
  const auto send = [&] { receiver.link.send(frame.bytes, soon("the frame leaves")); };
  const auto read_until = [&](vm::GuestProcess& reader, const std::string& wanted) {
    while (!reader.read_line(soon("the reader says " + wanted)).starts_with(wanted)) {
    }
  };
  if (method.name == "legacy ring") {
    send();
    wait_for_counter(machine, "legacy_packets", 1);
    auto reader = start({"quiet", "hold"});
    read_until(reader, "no more data");
    const Paused still(machine);
    return xray::take_census(machine.memory(), payload);
  }
  const bool classic = method.name == "recvfrom";
  auto reader = classic ? start({receiver.interface, "1"}) : start({"1", "quiet", "hold"});
  read_until(reader, "ready");
  send();
  read_until(reader, classic ? "received" : "no more data");
  const Paused still(machine);
  return xray::take_census(machine.memory(), payload);
}

}  // namespace

void legacy_copies(lab::ExperimentContext& context) {
  const auto frame_bytes = context.experiment().parameters.at("frame_bytes").get<std::size_t>();
  std::map<std::string, std::size_t> places;
  std::string transcript;
  for (const std::string machine_name : {"default", "zeroing"}) {
    const std::string init_on_free = machine_name == "zeroing" ? "1" : "0";
    for (const auto& method : methods()) {
      const wire::Frame frame = experiment_frame(context.random(), frame_bytes);
      const std::size_t found = census_of(context, method, machine_name, frame).copies();
      places[method.name + init_on_free] = found;
      context.metric("census_places", static_cast<double>(found),
                     {{"method", method.name},
                      {"nic", "e1000"},
                      {"frame_bytes", text(frame_bytes)},
                      {"init_on_free", init_on_free}});
      context.metric("copies", static_cast<double>(found) - 1,
                     {{"method", method.name},
                      {"frame_bytes", text(frame_bytes)},
                      {"init_on_free", init_on_free}});
      transcript +=
          "init_on_free=" + init_on_free + ", " + method.name + ": " + text(found) + " places\n";
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
          " when it is read in the ring. Copying into a mapped buffer saves a system "
          "call, not a copy; only DMA into that buffer would.");
}

void tap(lab::ExperimentContext& context) {
  const auto count = context.experiment().parameters.at("frames").get<std::uint64_t>();
  constexpr std::uint64_t kRingBytes = 4096ULL << 6;
  std::map<std::string, std::uint64_t> matching;
  for (const std::string variant : {"corrected", "article"}) {
    Receiver receiver = make_receiver(context, "default");
    vm::Machine& machine = receiver.machine;
    const Stamp id = fresh_stamp(context.random());
    context.load(machine, "nf_addr",
                 "order=6 stamp=" + to_hex(id) + " tap=" + receiver.interface +
                     (variant == "article" ? " tap_as_article=1" : ""));
    machine.pause();
    const RingView ring(machine.memory(), id, kRingBytes);
    machine.resume();
    const auto raised_before = nic_interrupts(machine, receiver.interface);
    std::vector<wire::Frame> frames;
    for (std::uint64_t i = 0; i < count; ++i) {
      frames.push_back(experiment_frame(context.random(), 60 + context.random().below(1455)));
      receiver.link.send(frames.back().bytes, soon("a frame leaves"));
      // One at a time: how many share an interrupt in a burst is chance.
      wait_until(machine, "the frame is in the ring",
                 [&](const vm::GuestMemory&) { return ring.header().head > i; });
    }
    const auto interrupts =
        static_cast<double>(nic_interrupts(machine, receiver.interface) - raised_before);
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
    context.metric("interrupts_per_packet", interrupts / static_cast<double>(count),
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
  double syscalls = 0;
  double interrupts = 0;
};

Burst receive_burst(lab::ExperimentContext& context, Receiver& receiver, const std::string& program,
                    std::uint64_t packets) {
  vm::Machine& machine = receiver.machine;
  auto reader = machine.agent().start({.argv = {program, receiver.interface, text(packets)}});
  reader.read_line(soon("the receiver is ready"));
  const auto raised = nic_interrupts(machine, receiver.interface);
  const auto before = machine.instructions();
  for (std::uint64_t i = 0; i < packets; ++i) {
    receiver.link.send(experiment_frame(context.random(), 300).bytes, soon("a frame leaves"));
  }
  reader.read_line(soon("all frames are received"));
  const auto after = machine.instructions();
  return {static_cast<double>((after - before).system_calls),
          static_cast<double>(nic_interrupts(machine, receiver.interface) - raised)};
}

/// One recvfrom a packet: system calls and interrupts, as the host counts them.
ClassicCost classic_cost(lab::ExperimentContext& context, std::uint64_t packets) {
  Receiver receiver = make_receiver(context, "default");
  vm::Machine& machine = receiver.machine;
  const std::string program = context.install(machine, "nf_recv");
  const auto count = static_cast<double>(packets);
  ClassicCost cost;
  // The difference of two lengths: what the agent does around them falls out.
  const Burst one = receive_burst(context, receiver, program, 1);
  const Burst all = receive_burst(context, receiver, program, packets + 1);
  cost.syscalls = (all.syscalls - one.syscalls) / count;
  cost.interrupts_burst = all.interrupts / count;

  auto reader =
      machine.agent().start({.argv = {program, receiver.interface, text(packets), "each"}});
  reader.read_line(soon("the receiver is ready"));
  const auto raised = nic_interrupts(machine, receiver.interface);
  for (std::uint64_t i = 0; i < packets; ++i) {
    receiver.link.send(experiment_frame(context.random(), 300).bytes, soon("a frame leaves"));
    reader.read_line(soon("a frame is received"));
  }
  cost.interrupts_alone =
      static_cast<double>(nic_interrupts(machine, receiver.interface) - raised) / count;
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
