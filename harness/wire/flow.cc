// SPDX-License-Identifier: MIT
#include "harness/wire/flow.hh"

#include <algorithm>
#include <stdexcept>

#include "labs/common/user/flow_frame.hh"

namespace zcl::wire {

namespace {

constexpr std::size_t kUdpHeaders = 20 + 8;  // IPv4 without options, and UDP

std::size_t header_bytes(const FlowSpec& spec) {
  return kEthernetHeader + (spec.udp ? kUdpHeaders : 0);
}

/// The payload in which a flow header may stand; empty where the frame can hold none.
base::ByteView flow_payload(base::ByteView frame) {
  if (ethertype(frame) == flow::kEthertype) return frame.subspan(kEthernetHeader);
  return udp_payload(frame);
}

/// Where a corrupted UDP frame would have its payload: its checksums fail, its magic may stand.
base::ByteView damaged_udp_payload(base::ByteView frame) {
  if (frame.size() < kEthernetHeader + kUdpHeaders) return {};
  return frame.subspan(kEthernetHeader + kUdpHeaders);
}

bool has_magic(base::ByteView payload) {
  return payload.size() >= flow::kHeaderBytes && flow::load_be32(payload.data()) == flow::kMagic;
}

}  // namespace

std::size_t smallest_frame(const FlowSpec& spec) {
  return std::max(kMinimumFrame, header_bytes(spec) + flow::kHeaderBytes);
}

Frame make_flow_frame(const FlowSpec& spec, std::uint64_t sequence, std::size_t frame_bytes) {
  if (frame_bytes < smallest_frame(spec) || frame_bytes > kLargestFrame) {
    throw std::length_error("a flow frame has " + std::to_string(smallest_frame(spec)) + " to " +
                            std::to_string(kLargestFrame) + " bytes, not " +
                            std::to_string(frame_bytes));
  }
  base::Bytes payload(frame_bytes - header_bytes(spec));
  flow::write_payload(payload.data(), payload.size(), spec.seed, spec.number, sequence);
  if (!spec.udp) return make_frame(spec.destination, spec.source, flow::kEthertype, payload);
  return make_udp_frame(spec.destination, spec.source, spec.source_ip, spec.destination_ip,
                        spec.source_port, spec.destination_port, payload);
}

std::string FlowTotals::text() const {
  return "offered " + std::to_string(offered) + ", delivered " + std::to_string(delivered) +
         ", lost " + std::to_string(lost()) + ", reordered " + std::to_string(reordered) +
         ", duplicates " + std::to_string(duplicates) + ", corrupted " + std::to_string(corrupted) +
         ", foreign " + std::to_string(foreign);
}

void FlowAccount::offered(std::uint64_t sequence, std::size_t frame_bytes) {
  if (sequence != totals_.offered) {
    throw std::logic_error("frame " + std::to_string(sequence) + " of a flow was offered where " +
                           std::to_string(totals_.offered) + " is next");
  }
  payload_bytes_.push_back(static_cast<std::uint32_t>(frame_bytes - header_bytes(spec_)));
  seen_.push_back(false);
  ++totals_.offered;
}

bool FlowAccount::is_intact(std::uint64_t sequence, base::ByteView payload) const {
  if (sequence >= totals_.offered || payload.size() != payload_bytes_[sequence]) return false;
  base::Bytes sent(payload.size());
  flow::write_payload(sent.data(), sent.size(), spec_.seed, spec_.number, sequence);
  return std::ranges::equal(sent, payload);
}

bool FlowAccount::arrived(base::ByteView frame) {
  base::ByteView payload = flow_payload(frame);
  if (payload.empty() && has_magic(damaged_udp_payload(frame))) {
    ++totals_.corrupted;
    return true;
  }
  flow::Header header;
  const bool complete = flow::read_header(payload.data(), payload.size(), header);
  if (!complete && has_magic(payload)) {  // truncated, or its length was changed
    ++totals_.corrupted;
    return true;
  }
  if (!complete || header.flow != spec_.number) {
    ++totals_.foreign;
    return false;
  }
  if (!is_intact(header.sequence, payload.first(header.length))) {
    ++totals_.corrupted;
    return true;
  }
  if (seen_[header.sequence]) {
    ++totals_.duplicates;
    return true;
  }
  seen_[header.sequence] = true;
  ++totals_.delivered;
  if (header.sequence < next_expected_) ++totals_.reordered;
  next_expected_ = std::max(next_expected_, header.sequence + 1);
  return true;
}

std::vector<std::uint64_t> FlowAccount::missing(std::size_t limit) const {
  std::vector<std::uint64_t> numbers;
  for (std::uint64_t i = 0; i < seen_.size() && numbers.size() < limit; ++i) {
    if (!seen_[i]) numbers.push_back(i);
  }
  return numbers;
}

}  // namespace zcl::wire
