// SPDX-License-Identifier: MIT
// Guest side of the burst sender's tests.
//
//   burst_probe DEVICE BURSTS BURST FRAME_BYTES SEED
//
// Sends BURSTS * BURST frames of flow 1, broadcast, from the card at DEVICE (a PCI directory of
// sysfs); each burst stands between marks 1 and 2.
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <vector>

#include "labs/common/user/burst_sender.hh"
#include "labs/common/user/count_mark.hh"
#include "labs/common/user/flow_frame.hh"

namespace {

constexpr std::size_t kEthernetHeader = 14;

std::vector<std::uint8_t> make_frame(std::uint64_t sequence, std::size_t bytes,
                                     std::uint64_t seed) {
  std::vector<std::uint8_t> frame(bytes, 0xff);
  const std::uint8_t source_and_type[] = {
      2, 0, 0, 0, 0, 9, zcl::flow::kEthertype >> 8, zcl::flow::kEthertype & 0xff};
  std::copy(std::begin(source_and_type), std::end(source_and_type), frame.begin() + 6);
  zcl::flow::write_payload(frame.data() + kEthernetHeader, bytes - kEthernetHeader, seed, 1,
                           sequence);
  return frame;
}

void send(zcl::user::BurstSender& sender, std::size_t burst) {
  zcl::user::count_mark<1>();
  sender.emit(burst);
  zcl::user::count_mark<2>();
}

int run(char** argv) {
  const std::size_t bursts = std::strtoull(argv[2], nullptr, 0);
  const std::size_t burst = std::strtoull(argv[3], nullptr, 0);
  const std::size_t bytes = std::strtoull(argv[4], nullptr, 0);
  const std::uint64_t seed = std::strtoull(argv[5], nullptr, 0);
  zcl::user::BurstSender sender(argv[1]);
  zcl::user::wait_for_reception();
  std::uint64_t sequence = 0;
  for (std::size_t i = 0; i < bursts; ++i) {
    for (std::size_t k = 0; k < burst; ++k) {
      const auto frame = make_frame(sequence++, bytes, seed);
      sender.set_frame((sender.next_slot() + k) % sender.kSlots, frame.data(), frame.size());
    }
    send(sender, burst);
  }
  std::printf("sent %llu\n", static_cast<unsigned long long>(sequence));
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 6) {
    std::fprintf(stderr, "usage: burst_probe DEVICE BURSTS BURST FRAME_BYTES SEED\n");
    return 2;
  }
  try {
    return run(argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "burst_probe: %s\n", error.what());
    return 1;
  }
}
