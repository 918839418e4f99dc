// SPDX-License-Identifier: MIT
// sample_sender ADDRESS PORT COUNT BYTES: device A -> this program -> NIC, without a CPU copy.
//
// Acquires COUNT samples of BYTES bytes by DMA, each into a page of its own, and sends each from
// the mapped page as one UDP datagram. Sample i comes from the device's memory at i * BYTES, as
// often as whole samples fit, and then from its start again. Says how many went out and of how many
// the kernel reports that it did not copy them; then waits for the end of its standard input.
#include "daq_abi.h"
#include "mapping.hh"
#include "udp_socket.hh"

namespace {

using zcl::user::check;

constexpr std::size_t kPage = 4096;
constexpr int kCompletionLimitMs = 5000;

/// Datagrams that the kernel is done with.
struct Completions {
  unsigned sent = 0;
  unsigned copied = 0;  ///< of these, the ones that the kernel copied after all
};

/// Asks the socket for the permission to send without copying.
void allow_zero_copy([[maybe_unused]] int socket) {
  /* ZCL-BEGIN send: allow it
   * MSG_ZEROCOPY is ignored on a socket that has not set SO_ZEROCOPY (level SOL_SOCKET) to 1.
   */
  const int on = 1;
  check("setsockopt SO_ZEROCOPY", ::setsockopt(socket, SOL_SOCKET, SO_ZEROCOPY, &on, sizeof on));
  /* ZCL-END send */
}

/// Sends one datagram straight from `data`, which must not change before its completion.
void send_in_place([[maybe_unused]] int socket, [[maybe_unused]] const std::byte* data,
                   [[maybe_unused]] std::size_t bytes) {
  /* ZCL-BEGIN send: send the mapped page
   * One send() with MSG_ZEROCOPY. It fails with EFAULT where the mapping has page frames only.
   */
  check("send", ::send(socket, data, bytes, MSG_ZEROCOPY));
  /* ZCL-END send */
}

/// Takes what has arrived on the socket's error queue, without waiting for more.
Completions take_completions([[maybe_unused]] int socket) {
  Completions done;
  /* ZCL-BEGIN send: read the completions
   * recvmsg() with MSG_ERRQUEUE | MSG_DONTWAIT until EAGAIN. Each message has one control message
   * with a struct sock_extended_err (CMSG_DATA): with ee_origin SO_EE_ORIGIN_ZEROCOPY it completes
   * the datagrams ee_info to ee_data, both included; ee_code SO_EE_CODE_ZEROCOPY_COPIED says that
   * the kernel copied them. Count them in `done`.
   */
  for (;;) {
    alignas(cmsghdr) std::byte control[256];
    msghdr message{};
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    if (::recvmsg(socket, &message, MSG_ERRQUEUE | MSG_DONTWAIT) < 0) {
      if (errno == EAGAIN) break;
      zcl::user::throw_errno("recvmsg MSG_ERRQUEUE");
    }
    const cmsghdr* header = CMSG_FIRSTHDR(&message);
    if (header == nullptr) continue;
    sock_extended_err report{};
    std::memcpy(&report, CMSG_DATA(header), sizeof report);
    if (report.ee_origin != SO_EE_ORIGIN_ZEROCOPY) continue;
    const unsigned count = report.ee_data - report.ee_info + 1;
    done.sent += count;
    if ((report.ee_code & SO_EE_CODE_ZEROCOPY_COPIED) != 0) done.copied += count;
  }
  /* ZCL-END send */
  return done;
}

/// The device writes sample `index` into page `index` of the buffer.
void acquire(int device, unsigned index, std::size_t bytes) {
  const daq_transfer transfer{
      .area = DAQ_BUFFER,
      .device_offset = static_cast<__u32>(index % (DAQ_DEVICE_BYTES / bytes) * bytes),
      .bytes = static_cast<__u32>(bytes),
      .zero = 0,
      .area_offset = index * kPage};
  check("ioctl DAQ_ACQUIRE", ::ioctl(device, DAQ_ACQUIRE, &transfer));
}

/// Waits until the kernel is done with `expected` datagrams. Throws std::runtime_error if it is not
/// within the limit.
Completions wait_for_completions(int socket, unsigned expected) {
  Completions all;
  while (all.sent < expected) {
    // The error queue shows as POLLERR, which poll() reports unasked.
    pollfd wanted{.fd = socket, .events = 0, .revents = 0};
    if (check("poll", ::poll(&wanted, 1, kCompletionLimitMs)) == 0) break;
    const auto some = take_completions(socket);
    if (some.sent == 0) break;
    all.sent += some.sent;
    all.copied += some.copied;
  }
  if (all.sent < expected) {
    throw std::runtime_error("only " + std::to_string(all.sent) + " of " +
                             std::to_string(expected) + " datagrams were completed");
  }
  return all;
}

int stream_samples(const std::string& address, std::uint16_t port, unsigned count,
                   std::size_t bytes) {
  const auto device = zcl::user::open_file("/dev/daq0", O_RDONLY);
  const zcl::user::Mapping samples(device, std::uint64_t{DAQ_VIEW_PAGES} << DAQ_VIEW_SHIFT,
                                   count * kPage, PROT_READ);
  const auto socket = daq::connect_udp(address, port);
  allow_zero_copy(socket.get());
  for (unsigned i = 0; i < count; ++i) {
    acquire(device.get(), i, bytes);
    send_in_place(socket.get(), samples.data() + i * kPage, bytes);
  }
  const auto done = wait_for_completions(socket.get(), count);
  std::printf("sent %u copied %u\n", done.sent, done.copied);
  std::fflush(stdout);
  while (std::getchar() != EOF) {
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  return zcl::user::run_program("sample_sender", [&] {
    if (argc != 5) throw std::invalid_argument("usage: sample_sender ADDRESS PORT COUNT BYTES");
    const auto bytes = zcl::user::to_number(argv[4]);
    if (bytes == 0 || bytes > 1472) throw std::invalid_argument("BYTES is 1 to 1472");
    return stream_samples(argv[1], static_cast<std::uint16_t>(zcl::user::to_number(argv[2])),
                          static_cast<unsigned>(zcl::user::to_number(argv[3])), bytes);
  });
}
