// SPDX-License-Identifier: MIT
#include "harness/report/model.hh"

#include <algorithm>

namespace zcl::report {

const std::vector<MetricName>& metric_names() {
  static const std::vector<MetricName> names = {
      // Where bytes are (the host's census of guest memory).
      {"census_places", "places", "copies of the payload in guest RAM"},
      {"copies", "copies", "CPU copies of the payload: places beyond the NIC's own buffer"},
      {"stale_places", "places", "places in pages that were already free"},
      // Counts in a window of a run on a machine whose clock ticks once per instruction.
      {"instructions", "instructions", "guest instructions, user and kernel"},
      {"user_instructions", "instructions", "guest instructions in user mode"},
      {"kernel_instructions", "instructions", "guest instructions in kernel mode"},
      {"instructions_per_packet", "instructions/packet", "user and kernel"},
      {"user_instructions_per_packet", "instructions/packet", "in user mode"},
      {"kernel_instructions_per_packet", "instructions/packet", "in kernel mode"},
      {"instructions_per_byte", "instructions/byte", "user and kernel"},
      {"user_instructions_per_byte", "instructions/byte", "in user mode"},
      {"kernel_instructions_per_byte", "instructions/byte", "in kernel mode"},
      {"instructions_per_lookup", "instructions/lookup", "one lookup in an index structure"},
      {"instructions_per_sample", "instructions/sample", "one sample of a device"},
      {"syscalls", "calls", "system calls"},
      {"syscalls_per_packet", "calls/packet", "system calls"},
      {"syscalls_per_sample", "calls/sample", "system calls"},
      {"syscalls_per_mib", "calls/MiB", "system calls"},
      {"interrupts", "interrupts", "interrupts raised by the emulated controllers"},
      {"interrupts_per_packet", "interrupts/packet", "interrupts raised by the controllers"},
      {"register_accesses", "accesses", "loads and stores of device registers"},
      {"register_accesses_per_packet", "accesses/packet", "loads and stores of device registers"},
      {"page_faults", "faults", "minor and major page faults"},
      {"context_switches", "switches", "voluntary and involuntary context switches"},
      {"probes_per_packet", "probes/packet", "slots looked at before one was free"},
      {"bytes_copied", "bytes", "bytes moved by the CPU"},
      // What crossed the wire.
      {"offered_packets", "packets", "frames that the harness sent"},
      {"delivered_packets", "packets", "frames that the receiver got whole"},
      {"lost_packets", "packets", "offered less delivered"},
      {"corrupted_packets", "packets", "frames that arrived changed"},
      {"reordered_packets", "packets", "frames that overtook an earlier one"},
      // Ratios of two sides measured side by side in one run.
      {"throughput_ratio", "ratio", "bytes per second against the baseline of the same run"},
      {"cpu_time_ratio", "ratio", "processor time against the baseline of the same run"},
      {"instructions_ratio", "ratio", "instructions against the baseline of the same run"},
      // Latency and jitter, in guest time.
      {"latency_ns", "ns", "guest time, by percentile"},
      {"interarrival_ns", "ns", "guest time between arrivals, by percentile"},
      // Memory and addresses.
      {"allocated_bytes", "bytes", "memory obtained"},
      {"allocated_blocks", "blocks", "contiguous blocks obtained"},
      {"address", "address", "an address, as a number"},
      {"page_table_bits", "bits", "flag bits of a page-table entry, as a number"},
      {"error_number", "errno", "the errno a call ended with; 0: it succeeded"},
      {"matches", "runs", "runs in which two observations agreed"},
      {"mismatches", "runs", "runs in which two observations differed"},
  };
  return names;
}

const MetricName* find_metric_name(const std::string& name) {
  const auto& names = metric_names();
  const auto found = std::find_if(names.begin(), names.end(),
                                  [&](const MetricName& known) { return known.name == name; });
  return found == names.end() ? nullptr : &*found;
}

std::string to_string(CheckStatus status) {
  switch (status) {
    case CheckStatus::passed:
      return "passed";
    case CheckStatus::failed:
      return "failed";
    case CheckStatus::skipped:
      return "skipped";
    case CheckStatus::environment:
      return "environment";
  }
  return "environment";
}

std::string to_string(ClaimVerdict verdict) {
  switch (verdict) {
    case ClaimVerdict::confirmed:
      return "confirmed";
    case ClaimVerdict::qualified:
      return "qualified";
    case ClaimVerdict::refuted:
      return "refuted";
    case ClaimVerdict::not_testable:
      return "not_testable";
  }
  return "not_testable";
}

std::string to_string(Evidence evidence) {
  return evidence == Evidence::host ? "host" : "guest";
}

}  // namespace zcl::report
