// SPDX-License-Identifier: MIT
// The ways in which the x-ray's receiver, a program of the guest, takes one frame. A further way is
// one more function here and one more row of the table in main.cc.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>

namespace zcl::receiver {

/// Ethertype of the frame that is waited for: IEEE 802 local experimental ethertype 2.
inline constexpr unsigned kEthertype = 0x88b6;

/// A socket that is ready to receive. Whatever memory holds the frame afterwards stays as it is
/// until this object dies, so that the host finds it there.
class Receiver {
 public:
  Receiver() = default;
  Receiver(const Receiver&) = delete;
  Receiver& operator=(const Receiver&) = delete;
  virtual ~Receiver() = default;

  /// Blocks until the frame is here. Returns its length, bytes, Ethernet header included. Touches
  /// nothing of it. Throws std::system_error.
  virtual std::size_t receive() = 0;
};

using MakeReceiver = std::function<std::unique_ptr<Receiver>(unsigned interface_index)>;

std::unique_ptr<Receiver> make_read(unsigned interface_index);
std::unique_ptr<Receiver> make_recvfrom(unsigned interface_index);
std::unique_ptr<Receiver> make_recvmmsg(unsigned interface_index);
std::unique_ptr<Receiver> make_packet_mmap_v2(unsigned interface_index);
std::unique_ptr<Receiver> make_packet_mmap_v3(unsigned interface_index);

}  // namespace zcl::receiver
