// SPDX-License-Identifier: MIT
// Interrupts as QEMU's emulated interrupt controllers count them, without asking the guest.
#pragma once

#include <cstdint>
#include <string_view>

#include "harness/vm/counters.hh"

namespace zcl::vm {

/// The monitor command whose text parse_interrupts() reads (QMP "human-monitor-command").
constexpr std::string_view kInterruptCommand = "info irq";

/// Reads the text of "info irq": for each controller a heading and lines "pin: count". A key is
/// "controller:pin", such as "ioapic:11". One raised line counts once at each controller that it
/// reaches: pins below 16 stand at "ioapic" and at "isa-i8259" alike, so never add controllers.
/// Message-signalled interrupts and the local timer pass neither and are not there.
/// Throws EnvironmentError when the text is not such a list.
InterruptCounts parse_interrupts(std::string_view text);

/// later - earlier by key; pins that did not move are left out.
InterruptCounts difference(const InterruptCounts& later, const InterruptCounts& earlier);

/// Sum over the pins of one controller ("ioapic" sees every line on both chipsets).
std::uint64_t raised(const InterruptCounts& counts, std::string_view controller = "ioapic");

}  // namespace zcl::vm
