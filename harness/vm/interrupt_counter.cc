// SPDX-License-Identifier: MIT
#include "harness/vm/interrupt_counter.hh"

#include <charconv>

#include "harness/base/error.hh"

namespace zcl::vm {

namespace {

constexpr std::string_view kHeading = "IRQ statistics for ";
constexpr std::string_view kNone = "IRQ statistics not available for ";

std::string_view trim(std::string_view text) {
  const auto first = text.find_first_not_of(" \t\r");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r") - first + 1);
}

[[noreturn]] void refuse(std::string_view line) {
  throw EnvironmentError("QEMU's answer to \"info irq\" is not understood at \"" +
                         std::string(line.substr(0, 80)) +
                         "\"; this harness was made for QEMU 7.2");
}

std::uint64_t number(std::string_view text, std::string_view line) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) refuse(line);
  return value;
}

}  // namespace

InterruptCounts parse_interrupts(std::string_view text) {
  InterruptCounts counts;
  std::string controller;
  while (!text.empty()) {
    const auto newline = text.find('\n');
    const std::string_view line = trim(text.substr(0, newline));
    text = newline == std::string_view::npos ? std::string_view{} : text.substr(newline + 1);
    if (line.empty() || line.starts_with(kNone)) continue;
    const auto colon = line.rfind(':');
    if (colon == std::string_view::npos) refuse(line);
    if (line.starts_with(kHeading)) {
      controller = line.substr(kHeading.size(), colon - kHeading.size());
      continue;
    }
    if (controller.empty()) refuse(line);
    const std::uint64_t pin = number(trim(line.substr(0, colon)), line);
    counts[controller + ":" + std::to_string(pin)] += number(trim(line.substr(colon + 1)), line);
  }
  return counts;
}

InterruptCounts difference(const InterruptCounts& later, const InterruptCounts& earlier) {
  InterruptCounts moved;
  for (const auto& [pin, count] : later) {
    const auto before = earlier.find(pin);
    const std::uint64_t base = before == earlier.end() ? 0 : before->second;
    if (count != base) moved[pin] = count - base;
  }
  return moved;
}

std::uint64_t raised(const InterruptCounts& counts, std::string_view controller) {
  const std::string prefix = std::string(controller) + ":";
  std::uint64_t sum = 0;
  for (const auto& [pin, count] : counts) {
    if (pin.starts_with(prefix)) sum += count;
  }
  return sum;
}

}  // namespace zcl::vm
