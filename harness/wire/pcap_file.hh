// SPDX-License-Identifier: MIT
// Capture files in and out, by libpcap.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "harness/wire/frame.hh"

namespace zcl::wire {

struct CapturedFrame {
  std::uint64_t time_ns = 0;      ///< since 1970
  std::uint32_t wire_length = 0;  ///< of the frame on the cable; its capture may be shorter
  Frame frame;
};

/// Reads pcap files of either byte order with microseconds or nanoseconds, and pcapng.
class PcapReader {
 public:
  /// Throws UsageError when `path` cannot be opened, is no capture, or is not of Ethernet frames.
  explicit PcapReader(const std::string& path);
  ~PcapReader();
  PcapReader(const PcapReader&) = delete;
  PcapReader& operator=(const PcapReader&) = delete;

  /// The next frame, or nothing at the end. Throws UsageError when the file is cut off or damaged.
  std::optional<CapturedFrame> next();

 private:
  struct Capture;
  std::unique_ptr<Capture> capture_;
};

/// Writes a pcap file with nanoseconds, in this machine's byte order.
class PcapWriter {
 public:
  /// Throws EnvironmentError when `path` cannot be written.
  explicit PcapWriter(const std::string& path);
  ~PcapWriter();
  PcapWriter(const PcapWriter&) = delete;
  PcapWriter& operator=(const PcapWriter&) = delete;

  void write(std::uint64_t time_ns, base::ByteView frame);
  /// Writes out what is buffered. Throws EnvironmentError when the disk is full.
  void flush();

 private:
  struct Dump;
  std::unique_ptr<Dump> dump_;
};

}  // namespace zcl::wire
