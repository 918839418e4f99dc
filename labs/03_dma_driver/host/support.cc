// SPDX-License-Identifier: MIT
#include "labs/03_dma_driver/host/support.hh"

#include "harness/vm/kernel_view.hh"

namespace zcl::lab03 {

namespace {

using namespace std::chrono_literals;

/// QEMU's e1000 receives nothing for a second after every write to RCTL.
constexpr std::uint64_t kReceptionHoldNs = 1'200'000'000;
constexpr std::uint64_t kShortWhileNs = 2'000'000;

constexpr std::uint32_t kTaskInterruptible = 1;  // include/linux/sched.h

std::string shape_words(const RingShape& shape) {
  return std::to_string(shape.rx_slots) + " " + std::to_string(shape.tx_slots) + " " +
         std::to_string(shape.spares) + " " + std::to_string(shape.buffer_bytes) +
         (shape.always ? " always " : " sleepers ") + (shape.own_memory ? "own" : "kernel");
}

std::uint64_t number_at(const std::vector<std::string>& words, std::size_t index) {
  if (index >= words.size()) throw lab::CheckFailed("the probe's answer is too short");
  return std::stoull(words[index], nullptr, 0);
}

}  // namespace

RingProbe::RingProbe(lab::Context& context, vm::Machine& machine, unsigned uid)
    : labs::Probe(context, machine, "ring_probe", uid) {}

RingPlace RingProbe::open_ring(const RingShape& shape, const std::string& node) {
  const auto words = must("ring " + node + " " + shape_words(shape), "Setting up a ring");
  return {.pid = pid(),
          .page = number_at(words, 0),
          .page_bytes = number_at(words, 1),
          .pool = number_at(words, 2),
          .pool_bytes = number_at(words, 3),
          .file = static_cast<int>(number_at(words, 4)),
          .buffers = static_cast<std::uint32_t>(number_at(words, 5))};
}

RingPlace RingProbe::set_up(const RingShape& shape, const std::string& node) {
  const auto words = must("setup " + node + " " + shape_words(shape), "ZCL_SETUP");
  return {.pid = pid(),
          .page = 0,
          .page_bytes = number_at(words, 1),
          .pool = number_at(words, 4),
          .pool_bytes = number_at(words, 2),
          .file = static_cast<int>(number_at(words, 0)),
          .buffers = static_cast<std::uint32_t>(number_at(words, 3))};
}

void RingProbe::set_mode(zcl_mode mode) {
  must("mode " + std::to_string(mode), "ZCL_SET_MODE");
}

void RingProbe::sync(const RingPlace& place, unsigned what) {
  must("ioctl_number " + std::to_string(place.file) + " " + std::to_string(ZCL_SYNC) + " " +
           std::to_string(what),
       "ZCL_SYNC");
}

Answer RingProbe::expect(const std::string& command, const std::string& otherwise) {
  try {
    return answer(command, kPatience);
  } catch (const base::DeadlinePassed&) {
    throw lab::CheckFailed(otherwise);
  }
}

vm::Machine start_loaded(lab::Context& context, const std::string& machine,
                         const std::function<void(vm::MachineSpec&)>& adjust) {
  auto started = context.start(machine, adjust);
  context.load(started, "zcl_ring");
  context.load(started, "zcl_e1000");
  return started;
}

std::optional<wire::MacAddress> netdev_address(vm::Machine& machine) {
  constexpr std::size_t kLongestName = 16;
  const auto kernel = vm::KernelView::of(machine);
  const auto& symbols = machine.symbols();
  std::optional<wire::MacAddress> found;
  kernel.for_each_on_list(
      symbols.address("init_net") + symbols.offset("net", "dev_base_head"), "net_device",
      "dev_list", [&](vm::VirtualAddress device) {
        if (kernel.text(device + symbols.offset("net_device", "name"), kLongestName) == "lo") {
          return true;
        }
        const auto at = kernel.member(device, "net_device", "dev_addr");
        wire::MacAddress address{};
        if (at && kernel.read(*at, address.data(), address.size())) found = address;
        return false;
      });
  return found;
}

std::string bring_up(vm::Machine& machine, const std::string& nic, const std::string& address) {
  {
    const Pause pause(machine);
    lab::CheckContext::require(netdev_address(machine).has_value(),
                               "The driver has registered no network interface.");
  }
  const auto interface = machine.agent().interface_of(nic);
  machine.agent().interface_up(interface, address);
  let_receiver_start(machine);
  return interface;
}

void let_receiver_start(vm::Machine& machine) {
  machine.agent().sleep_ns(kReceptionHoldNs);
}

wire::FlowSpec flow_to(lab::Context& context, const Nic& nic) {
  return {.number = static_cast<std::uint32_t>(context.random().below(1U << 30)),
          .seed = context.random().below(1ULL << 60),
          .destination = nic.mac(),
          .source = kHost};
}

std::vector<wire::Frame> make_frames(const wire::FlowSpec& flow, std::uint64_t first,
                                     std::size_t count, std::size_t frame_bytes) {
  std::vector<wire::Frame> frames;
  for (std::size_t i = 0; i < count; ++i) {
    frames.push_back(wire::make_flow_frame(flow, first + i, frame_bytes));
  }
  return frames;
}

void send(wire::Link& link, const std::vector<wire::Frame>& frames) {
  link.send_all(frames, base::Deadline("QEMU to take our frames", kPatience));
}

void send_and_settle(vm::Machine& machine, wire::Link& link, const Nic& nic,
                     const std::vector<wire::Frame>& frames, std::uint32_t descriptors) {
  const auto slots = nic.read(Register::rdlen) / 16;
  lab::CheckContext::require(slots > descriptors, "The receive ring has " + std::to_string(slots) +
                                                      " descriptors, too few for this check.");
  const auto before = nic.read(Register::rdh);
  send(link, frames);
  wait_until(
      machine, [&] { return (nic.read(Register::rdh) + slots - before) % slots == descriptors; },
      "The chip took only " + std::to_string(descriptors) +
          " descriptors' worth of frames in part: its head does not move on.");
}

void wait_until(vm::Machine& machine, const std::function<bool()>& holds,
                const std::string& otherwise) {
  const base::Deadline deadline(otherwise, kPatience);
  while (!holds()) {
    if (deadline.passed()) throw lab::CheckFailed(otherwise);
    machine.agent().sleep_ns(kShortWhileNs);
  }
}

bool is_asleep(vm::Machine& machine, int pid) {
  const auto kernel = vm::KernelView::of(machine);
  const auto task = labs::find_task(kernel, pid);
  return kernel.member<std::uint32_t>(task, "task_struct", "__state") == kTaskInterruptible;
}

void wait_until_asleep(vm::Machine& machine, const labs::Probe& probe, const std::string& where) {
  wait_until(
      machine,
      [&] {
        const Pause pause(machine);
        return is_asleep(machine, probe.pid());
      },
      "The program does not go to sleep in " + where + ".");
}

wire::Frame receive_frame(wire::Link& link, const std::function<bool(base::ByteView)>& wanted,
                          const std::string& otherwise) {
  const base::Deadline deadline(otherwise, kPatience);
  while (auto frame = link.receive(deadline)) {
    if (wanted(frame->bytes)) return std::move(*frame);
  }
  throw lab::CheckFailed(otherwise);
}

MarkedFrame::MarkedFrame(lab::Context& context, const wire::MacAddress& destination,
                         std::size_t bytes)
    : payload(context.random(), bytes - wire::kEthernetHeader),
      frame(wire::make_frame(destination, kHost, kEthertype, payload.bytes())) {}

}  // namespace zcl::lab03
