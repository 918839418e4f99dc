// SPDX-License-Identifier: MIT
// The machine of this lab with its device filled and its driver loaded.
#pragma once

#include <string>
#include <vector>

#include "labs/02_devmem_mmap/host/probe.hh"

namespace zcl::lab02 {

// What lab.json reserves at boot is twice the region that the driver is told of. The second half is
// the host's: a secret right after the region, and the page that stages the device's content.
inline constexpr std::uint64_t kRegion = 0x8000000;
inline constexpr std::uint64_t kRegionBytes = 1U << 20;
inline constexpr std::uint64_t kSecret = kRegion + kRegionBytes;
inline constexpr std::uint64_t kStaging = kRegion + 2 * kRegionBytes - kPage;

inline constexpr std::size_t kDeviceBytes = 4095;
inline constexpr std::size_t kMarkBytes = 64;  ///< of what the host puts into one page

/// mmap offsets of /dev/daq0 (include/daq_abi.h).
inline constexpr std::uint64_t kViewPfn = 0;
inline constexpr std::uint64_t kViewFault = 1ULL << 32;
inline constexpr std::uint64_t kViewPages = 2ULL << 32;
inline constexpr std::uint64_t kViewRegion = 3ULL << 32;

/// Before the driver is loaded: `content` into the device's memory.
void load_device(lab::Context& context, vm::Machine& machine, base::ByteView content);
/// Before the driver is loaded: `bytes` to reserved physical memory, through /dev/mem.
void write_reserved(lab::Context& context, vm::Machine& machine, vm::PhysicalAddress address,
                    base::ByteView bytes);
/// Loads the driver, with its region and a buffer of `pages`, in that order; then `more`.
void load_driver(lab::Context& context, vm::Machine& machine, unsigned pages,
                 const std::string& more = {});

/// One host-chosen mark of kMarkBytes a page, at the page's start.
class MarkedPages {
 public:
  MarkedPages(lab::Context& context, std::size_t pages);
  [[nodiscard]] const base::Bytes& operator[](std::size_t page) const { return marks_.at(page); }
  [[nodiscard]] std::size_t size() const { return marks_.size(); }
  /// Stores them in the buffer, by write(2) on the open descriptor `file`.
  void fill_buffer(Probe& probe, const std::string& file) const;
  /// Whether RAM at `address` begins with mark `page`.
  [[nodiscard]] bool stand_at(vm::Machine& machine, std::size_t page,
                              vm::PhysicalAddress address) const;

 private:
  std::vector<base::Bytes> marks_;
};

/// Opens `path` ("r", "rw", "sync"); the descriptor as the probe wants it in later commands.
std::string open_file(Probe& probe, const std::string& path, const std::string& access);
/// "map" with PROT_READ and MAP_SHARED. Throws lab::CheckFailed.
vm::VirtualAddress map_readable(Probe& probe, const std::string& file, std::uint64_t offset,
                                std::uint64_t bytes, const std::string& what);

/// Brings net0 up as 10.0.0.1, with a permanent neighbour 10.0.0.2 of MAC `mac`.
void prepare_network(vm::Machine& machine, Probe& probe, const std::string& mac);
inline constexpr const char* kPeerMac = "52540000aa02";
inline constexpr const char* kPeerAddress = "10.0.0.2";
inline constexpr std::uint16_t kPeerPort = 4000;

/// Payloads of the UDP datagrams to kPeerPort that leave through `link`, in order, until there are
/// `count` or the deadline passes.
std::vector<base::Bytes> receive_payloads(wire::Link& link, std::size_t count,
                                          const base::Deadline& deadline);

}  // namespace zcl::lab02
