// SPDX-License-Identifier: MIT
#include "harness/vm/kernel_view.hh"

#include <algorithm>

#include "harness/base/error.hh"

namespace zcl::vm {
namespace {

/// No list of the kernel that we read is longer; a damaged one may be endless.
constexpr std::size_t kLongestList = 1U << 16;

/// Kernel page-table isolation gives each process two roots side by side; the user's half of the
/// pair has this bit set and maps hardly any of the kernel (arch/x86/entry/calling.h).
constexpr std::uint64_t kUserRoot = 1U << 12;

}  // namespace

KernelView KernelView::of(Machine& machine) {
  AddressSpace space = machine.registers(0).address_space();
  const KernelSymbols& symbols = machine.symbols();
  KernelView view(machine.memory(), symbols, space);
  if (view.translate(symbols.address("init_task"))) return view;
  space.root &= ~kUserRoot;
  KernelView other(machine.memory(), symbols, space);
  if (other.translate(symbols.address("init_task"))) return other;
  throw EnvironmentError(
      "the guest's CPU 0 uses page tables that do not map its kernel: the guest is not running the "
      "kernel of its template, or is damaged. Start it again.");
}

std::optional<PhysicalAddress> KernelView::translate(VirtualAddress address) const {
  const auto found = walk(memory_, space_, address);
  if (!found) return std::nullopt;
  return found->physical_address;
}

bool KernelView::read(VirtualAddress address, void* to, std::size_t length) const {
  auto* out = static_cast<std::uint8_t*>(to);
  while (length > 0) {
    const std::size_t piece = std::min<std::size_t>(length, 4096 - address % 4096);
    const auto physical = translate(address);
    if (!physical || !memory_.contains(*physical, piece)) return false;
    const base::ByteView bytes = memory_.view(*physical, piece);
    std::copy(bytes.begin(), bytes.end(), out);
    address += piece;
    out += piece;
    length -= piece;
  }
  return true;
}

std::optional<std::uint64_t> KernelView::offset_of(const std::string& type,
                                                   const std::string& name) const {
  if (!symbols_.has_member(type, name)) return std::nullopt;
  return symbols_.offset(type, name);
}

std::string KernelView::text(VirtualAddress address, std::size_t limit) const {
  std::string result;
  while (result.size() < limit) {
    const auto byte = load<std::uint8_t>(address + result.size());
    if (!byte || *byte == 0) break;
    result += *byte >= 0x20 && *byte < 0x7f ? static_cast<char>(*byte) : '?';
  }
  return result;
}

void KernelView::for_each_on_list(VirtualAddress head, const std::string& type,
                                  const std::string& member,
                                  const std::function<bool(VirtualAddress)>& visit) const {
  const auto link = offset_of(type, member);
  if (!link) return;
  auto at = load<std::uint64_t>(head);
  for (std::size_t i = 0; i < kLongestList && at && *at != head && *at != 0; ++i) {
    if (!visit(*at - *link)) return;
    at = load<std::uint64_t>(*at);
  }
}

}  // namespace zcl::vm
