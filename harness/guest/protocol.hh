// SPDX-License-Identifier: MIT
// The conversation between the host and the guest agent, declared once for both sides.
//
// A frame (frame.hh) carries one CBOR map. The host sends requests: `id` (never repeated in a
// connection), `op`, and the fields listed below. The agent answers each with the same `id` and
// either the result's fields or `errno` and `text`. Unasked it sends only events (`event`), and
// those only about what the host started, so an idle guest is a quiet guest: there is no timer in
// the agent, and a heartbeat is the answer to the host's ping.
//
//   op              fields                                          result
//   hello           -                                               version, pid, boot_errors
//   ping            -                                               -
//   put             path, mode, offset, data                        -
//   get             path, offset, size                              data, end
//   read_text       path                                            text
//   write_text      path, text                                      -
//   load_stock      name, parameters                                -
//   load_module     path, parameters                                -
//   unload_module   name                                            -
//   start           argv, environment, uid, input, input_end,       handle, pid
//                   output_limit, stream, terminal, rows, columns
//   input           handle, data, input_end                         -  (once all is written)
//   signal          handle, signal                                  -
//   resize          handle, rows, columns                           -
//   forget          handle                                          -  (kills it)
//   interface_up    interface, address, prefix                      -
//   interface_down  interface                                       -
//   interface_at    slot                                            interface
//   pci_remove      address                                         -
//   pci_rescan      -                                               -
//   entropy         data (at most kMaxEntropy bytes)                -  (credited, and drawn on)
//   clock           -                                               ns
//   sleep           ns                                              -  (after `ns` of guest time)
//
//   event           fields
//   ready           version
//   output          handle, stream (1 or 2), data
//   exit            handle, status, signal, minor_faults, major_faults, voluntary_switches,
//                   involuntary_switches
#pragma once

#include <cstddef>
#include <cstdint>

namespace zcl::guest {

inline constexpr std::uint64_t kProtocolVersion = 2;
/// Name of the virtio-serial port.
inline constexpr char kPortName[] = "zcl.agent";
/// What the agent prints on the console when it can be talked to.
inline constexpr char kReadyLine[] = "zcl-agent: ready";
/// Stock modules that the agent loads before it opens its port: a name and parameters a line.
inline constexpr char kBootModulesFile[] = "/etc/zcl/boot_modules";

/// Largest CBOR map and attachment of a frame together. Room for one chunk and its fields.
inline constexpr std::uint32_t kMaxFrame = 1U << 20;
/// Largest piece of a file or stream in one message.
inline constexpr std::size_t kMaxChunk = 256U << 10;
/// Largest text file (`read_text`, `write_text`).
inline constexpr std::size_t kMaxText = 512U << 10;
/// Maps and arrays inside each other.
inline constexpr unsigned kMaxDepth = 4;
inline constexpr std::size_t kMaxArguments = 1024;
/// The agent reads no more of its children's output while this much is unsent.
inline constexpr std::size_t kMaxUnsent = 1U << 20;
/// Of one `entropy` request.
inline constexpr std::size_t kMaxEntropy = 512;
/// Programs running at a time.
inline constexpr std::size_t kMaxProcesses = 64;

namespace op {
inline constexpr char kHello[] = "hello";
inline constexpr char kPing[] = "ping";
inline constexpr char kPut[] = "put";
inline constexpr char kGet[] = "get";
inline constexpr char kReadText[] = "read_text";
inline constexpr char kWriteText[] = "write_text";
inline constexpr char kLoadStock[] = "load_stock";
inline constexpr char kLoadModule[] = "load_module";
inline constexpr char kUnloadModule[] = "unload_module";
inline constexpr char kStart[] = "start";
inline constexpr char kInput[] = "input";
inline constexpr char kSignal[] = "signal";
inline constexpr char kResize[] = "resize";
inline constexpr char kForget[] = "forget";
inline constexpr char kInterfaceUp[] = "interface_up";
inline constexpr char kInterfaceDown[] = "interface_down";
inline constexpr char kInterfaceAt[] = "interface_at";
inline constexpr char kPciRemove[] = "pci_remove";
inline constexpr char kPciRescan[] = "pci_rescan";
inline constexpr char kEntropy[] = "entropy";
inline constexpr char kClock[] = "clock";
inline constexpr char kSleep[] = "sleep";
}  // namespace op

namespace event {
inline constexpr char kReady[] = "ready";
inline constexpr char kOutput[] = "output";
inline constexpr char kExit[] = "exit";
}  // namespace event

namespace key {
inline constexpr char kId[] = "id";
inline constexpr char kOp[] = "op";
inline constexpr char kEvent[] = "event";
inline constexpr char kErrno[] = "errno";
inline constexpr char kText[] = "text";
inline constexpr char kVersion[] = "version";
inline constexpr char kPid[] = "pid";
inline constexpr char kBootErrors[] = "boot_errors";
inline constexpr char kPath[] = "path";
inline constexpr char kMode[] = "mode";
inline constexpr char kOffset[] = "offset";
inline constexpr char kSize[] = "size";
inline constexpr char kData[] = "data";
inline constexpr char kEnd[] = "end";
inline constexpr char kName[] = "name";
inline constexpr char kParameters[] = "parameters";
inline constexpr char kArgv[] = "argv";
inline constexpr char kEnvironment[] = "environment";
inline constexpr char kUid[] = "uid";
inline constexpr char kInput[] = "input";
inline constexpr char kInputEnd[] = "input_end";
inline constexpr char kOutputLimit[] = "output_limit";
inline constexpr char kStream[] = "stream";
inline constexpr char kTerminal[] = "terminal";
inline constexpr char kRows[] = "rows";
inline constexpr char kColumns[] = "columns";
inline constexpr char kHandle[] = "handle";
inline constexpr char kSignal[] = "signal";
inline constexpr char kStatus[] = "status";
inline constexpr char kMinorFaults[] = "minor_faults";
inline constexpr char kMajorFaults[] = "major_faults";
inline constexpr char kVoluntarySwitches[] = "voluntary_switches";
inline constexpr char kInvoluntarySwitches[] = "involuntary_switches";
inline constexpr char kInterface[] = "interface";
inline constexpr char kAddress[] = "address";
inline constexpr char kPrefix[] = "prefix";
inline constexpr char kSlot[] = "slot";
inline constexpr char kNanoseconds[] = "ns";
}  // namespace key

}  // namespace zcl::guest
