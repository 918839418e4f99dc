// SPDX-License-Identifier: MIT
#include "harness/vm/cpu_sample.hh"

#include <algorithm>
#include <charconv>
#include <optional>

namespace zcl::vm {

namespace {

/// The number after `name` ("RIP=") in `block`.
std::optional<std::uint64_t> field(std::string_view block, std::string_view name, int base) {
  const std::size_t at = block.find(name);
  if (at == std::string_view::npos) return std::nullopt;
  const char* begin = block.data() + at + name.size();
  std::uint64_t value = 0;
  const auto parsed = std::from_chars(begin, block.data() + block.size(), value, base);
  if (parsed.ec != std::errc()) return std::nullopt;
  return value;
}

std::optional<CpuSample> parse_one(std::string_view block) {
  constexpr std::uint64_t kInterruptFlag = 1U << 9;  // Intel SDM volume 1, 3.4.3
  const auto pointer = field(block, "RIP=", 16);
  const auto flags = field(block, "RFL=", 16);
  const auto level = field(block, "CPL=", 10);
  const auto halted = field(block, "HLT=", 10);
  if (!pointer || !flags || !level || !halted) return std::nullopt;
  return CpuSample{*pointer, *level == 3, (*flags & kInterruptFlag) != 0, *halted != 0};
}

CpuActivity judge(const std::vector<CpuSample>& samples) {
  const auto all = [&](auto property) {
    return !samples.empty() && std::all_of(samples.begin(), samples.end(), property);
  };
  if (all([](const CpuSample& s) { return !s.user_mode && !s.interrupts_enabled; })) {
    return CpuActivity::kernel_spin_masked;
  }
  if (all([](const CpuSample& s) { return !s.user_mode && !s.halted; })) {
    return CpuActivity::kernel_spin;
  }
  if (all([](const CpuSample& s) { return s.user_mode; })) return CpuActivity::user_spin;
  return CpuActivity::idle_or_mixed;
}

}  // namespace

std::vector<CpuSample> parse_cpu_samples(const std::string& registers) {
  std::vector<CpuSample> samples;
  std::size_t at = registers.find("RIP=");
  // A CPU's registers run from its "CPU#" line to the next; the marker is absent with one CPU.
  std::size_t begin = registers.find("CPU#");
  if (begin == std::string::npos) begin = at == std::string::npos ? registers.size() : 0;
  while (begin < registers.size()) {
    const std::size_t end = std::min(registers.find("CPU#", begin + 4), registers.size());
    if (const auto sample = parse_one(std::string_view(registers).substr(begin, end - begin))) {
      samples.push_back(*sample);
    }
    begin = end;
  }
  return samples;
}

CpuVerdict judge_cpus(const std::vector<std::vector<CpuSample>>& rounds) {
  CpuVerdict worst;
  const std::size_t cpus = rounds.empty() ? 0 : rounds.front().size();
  for (std::size_t cpu = 0; cpu < cpus; ++cpu) {
    std::vector<CpuSample> samples;
    for (const auto& round : rounds) {
      if (cpu < round.size()) samples.push_back(round[cpu]);
    }
    const auto activity = judge(samples);
    if (activity > worst.activity) worst = {activity, static_cast<unsigned>(cpu)};
  }
  return worst;
}

}  // namespace zcl::vm
