// SPDX-License-Identifier: MIT
// A numbered stream of frames with known content, and the account of what arrived of it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "harness/wire/frame.hh"

namespace zcl::wire {

/// How the frames of a flow are made. The format is labs/common/user/flow_frame.hh.
struct FlowSpec {
  std::uint32_t number = 1;  ///< tells flows on one cable apart
  std::uint64_t seed = 1;    ///< of the content
  MacAddress destination{};
  MacAddress source{};
  bool udp = false;  ///< IPv4 and UDP; otherwise bare Ethernet of flow::kEthertype
  std::uint32_t source_ip = 0;
  std::uint32_t destination_ip = 0;
  std::uint16_t source_port = 0;
  std::uint16_t destination_port = 0;
};

/// Frame `sequence` of the flow, `frame_bytes` in all (Ethernet header included, checksum not).
/// The same arguments give the same bytes. Throws std::length_error when `frame_bytes` is less than
/// smallest_frame() or more than QEMU passes.
Frame make_flow_frame(const FlowSpec& spec, std::uint64_t sequence, std::size_t frame_bytes);
/// Bytes of the smallest frame that holds a flow header: 60, or 66 with UDP.
std::size_t smallest_frame(const FlowSpec& spec);

/// What became of a flow. `offered` frames were sent; each arrival falls in exactly one of
/// delivered, duplicates and corrupted.
struct FlowTotals {
  std::uint64_t offered = 0;
  std::uint64_t delivered = 0;   ///< arrived intact for the first time
  std::uint64_t duplicates = 0;  ///< arrived intact once more
  std::uint64_t corrupted = 0;   ///< content differs from what was sent, or never sent at all
  std::uint64_t reordered = 0;   ///< of the delivered: behind a higher number (RFC 4737, 3.3)
  std::uint64_t foreign = 0;     ///< frames of someone else on the same cable
  [[nodiscard]] std::uint64_t lost() const { return offered - delivered; }
  /// "offered 100, delivered 97, lost 3, ..." for messages.
  [[nodiscard]] std::string text() const;
};

/// Accounts for one flow. Frames come from a guest: nothing in them is trusted. Arrivals may come
/// through another medium than the one they were sent on (an echo, a bridge): only flow header and
/// content are compared, not the Ethernet, IP and UDP headers in front of them.
class FlowAccount {
 public:
  explicit FlowAccount(const FlowSpec& spec) : spec_(spec) {}

  /// Frame `sequence` was sent with `frame_bytes` bytes. Numbers rise from 0 without gaps.
  /// Throws std::logic_error otherwise.
  void offered(std::uint64_t sequence, std::size_t frame_bytes);
  /// A frame arrived. True where it belongs to the flow (intact or corrupted).
  bool arrived(base::ByteView frame);

  [[nodiscard]] const FlowTotals& totals() const { return totals_; }
  /// The sequence numbers that did not arrive intact, lowest first, at most `limit`.
  [[nodiscard]] std::vector<std::uint64_t> missing(std::size_t limit = 100) const;

 private:
  bool is_intact(std::uint64_t sequence, base::ByteView payload) const;

  FlowSpec spec_;
  FlowTotals totals_;
  std::vector<std::uint32_t> payload_bytes_;  ///< of each frame offered
  std::vector<bool> seen_;
  std::uint64_t next_expected_ = 0;
};

}  // namespace zcl::wire
