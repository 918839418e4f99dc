// SPDX-License-Identifier: MIT
// The main program of a receive measurement: traffic, and a receiver that takes it.
//
//   PROGRAM RECEIVER CARD SENDER plain|udp BYTES PACKETS lockstep BURST
//   PROGRAM RECEIVER CARD SENDER plain|udp BYTES PACKETS paced|loss KPPS
//
// CARD and SENDER are PCI directories of sysfs: the card that receives and the one, on the same
// hub, that sends.
//
//   lockstep   emit a burst, receive it, and so on. Only this stands between the marks, not the
//              preparation of frames.
//   paced      a sender of real-time priority emits a burst of 32, sleeps, and so on; first without
//              frames and with nobody receiving, which is what it costs itself
//   loss       the same without that, and packets may be lost
//
// It says "ready" once all is warm, waits for a byte of standard input, does the measured part,
// says "offered N delivered M", and ends at the next byte. While it waits it does not sleep: in a
// machine whose clock jumps ahead when nobody runs, timers of the kernel would fire.
//
// Exit status 1 where a packet was wrong, or missing other than in `loss`.
#pragma once

#include <cstdint>
#include <span>

#include "rx_receiver.hh"

namespace zcl::rx {

// Tags of the marks (count_mark.hh).
inline constexpr std::uint16_t kMarkBegin = 1;
inline constexpr std::uint16_t kMarkEnd = 2;
inline constexpr std::uint16_t kMarkSenderBegin = 3;  ///< the sender alone
inline constexpr std::uint16_t kMarkSenderEnd = 4;

int run_receivers(int argc, char** argv, std::span<const ReceiverKind> kinds);

}  // namespace zcl::rx
