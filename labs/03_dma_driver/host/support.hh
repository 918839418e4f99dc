// SPDX-License-Identifier: MIT
// What the checks and experiments of lab 03 share: a machine with both modules loaded, frames, the
// probe, and waiting.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "harness/lab/procedure.hh"
#include "harness/wire/flow.hh"
#include "labs/03_dma_driver/host/nic.hh"
#include "labs/03_dma_driver/host/ring_view.hh"
#include "labs/common/host/evidence.hh"
#include "labs/common/host/probe.hh"

namespace zcl::lab03 {

using labs::Answer;
using labs::kPage;
using labs::Pause;
using labs::to_hex;

/// For what takes milliseconds on a machine of its own. Host time.
inline constexpr std::chrono::seconds kPatience{20};

/// Our side of the cable, and an ethertype that the guest's kernel answers to nobody.
inline constexpr wire::MacAddress kHost = {2, 0, 0, 0, 3, 1};
inline constexpr wire::MacAddress kBroadcast = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
inline constexpr std::uint16_t kEthertype = 0x88b5;
inline constexpr std::uint32_t kHostIp = 0x0a000001;
inline constexpr std::uint32_t kGuestIp = 0x0a000002;
inline constexpr const char* kGuestAddress = "10.0.0.2/24";

/// user/ring_probe.cc. What takes longer than kPatience throws lab::CheckFailed.
class RingProbe : public labs::Probe {
 public:
  RingProbe(lab::Context& context, vm::Machine& machine, unsigned uid = 0);

  /// "ring": pool and ring page, both mapped.
  RingPlace open_ring(const RingShape& shape, const std::string& node = "/dev/zcl0");
  /// "setup": the same, and nothing mapped.
  RingPlace set_up(const RingShape& shape, const std::string& node = "/dev/zcl0");
  void set_mode(zcl_mode mode);
  /// ZCL_SYNC on a ring that was only set up.
  void sync(const RingPlace& place, unsigned what);
  /// The answer to a started command; CheckFailed with `otherwise` where it does not come.
  Answer expect(const std::string& command, const std::string& otherwise);
};

/// A machine with zcl_ring.ko and zcl_e1000.ko loaded.
vm::Machine start_loaded(lab::Context& context, const std::string& machine = "card",
                         const std::function<void(vm::MachineSpec&)>& adjust = {});
/// The hardware address of the first network device that is not the loopback, out of the kernel's
/// list of them; nothing where there is none. Paused.
std::optional<wire::MacAddress> netdev_address(vm::Machine& machine);
/// Brings a NIC's interface up and lets the second pass that QEMU's e1000 receives nothing in.
std::string bring_up(vm::Machine& machine, const std::string& nic = "net0",
                     const std::string& address = {});
/// After anything that writes the receive-control register.
void let_receiver_start(vm::Machine& machine);

/// Frame `sequence` of a flow to `nic`.
wire::FlowSpec flow_to(lab::Context& context, const Nic& nic);
std::vector<wire::Frame> make_frames(const wire::FlowSpec& flow, std::uint64_t first,
                                     std::size_t count, std::size_t frame_bytes);
/// Sends `frames` and waits until the chip has written all of them to memory: until its head has
/// moved by `descriptors`, which is less than its ring has.
void send_and_settle(vm::Machine& machine, wire::Link& link, const Nic& nic,
                     const std::vector<wire::Frame>& frames, std::uint32_t descriptors);
void send(wire::Link& link, const std::vector<wire::Frame>& frames);

/// Lets guest time pass until `holds`. CheckFailed with `otherwise` after kPatience.
void wait_until(vm::Machine& machine, const std::function<bool()>& holds,
                const std::string& otherwise);

/// The scheduler's word for process `pid`: whether it sleeps until something wakes it. Paused.
bool is_asleep(vm::Machine& machine, int pid);
/// Waits until the program sleeps in a call of the ring's.
void wait_until_asleep(vm::Machine& machine, const labs::Probe& probe, const std::string& where);

/// The next frame that `wanted` takes. CheckFailed with `otherwise` where none comes.
wire::Frame receive_frame(wire::Link& link, const std::function<bool(base::ByteView)>& wanted,
                          const std::string& otherwise);

/// A frame from us with a payload that the census finds; `bytes` in all.
struct MarkedFrame {
  MarkedFrame(lab::Context& context, const wire::MacAddress& destination, std::size_t bytes);
  xray::Payload payload;
  wire::Frame frame;
};

}  // namespace zcl::lab03
