// SPDX-License-Identifier: MIT
// daq_probe: does to /dev/daq0 and /dev/mem what standard input says, one command a line.
//
// The host drives experiments and checks through it, step by step, and looks at the guest's memory
// between the steps. It decides nothing and remembers nothing but its open descriptors. Each entry
// of the tables below is a command; its comment gives the arguments.
#include <sched.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include <algorithm>

#include "count_mark.hh"
#include "daq_abi.h"
#include "edu_loader.hh"
#include "memory_commands.hh"
#include "packet_clock.hh"
#include "udp_socket.hh"

namespace {

using zcl::user::Answer;
using zcl::user::Arguments;
using zcl::user::Bytes;
using zcl::user::check;
using zcl::user::map;

constexpr std::uint16_t kPort = 4000;

long faults() {
  rusage usage{};
  check("getrusage", ::getrusage(RUSAGE_SELF, &usage));
  return usage.ru_minflt + usage.ru_majflt;
}

/// Runs `body` between the marks that the host measures by. -> its page faults
template <typename Body>
Answer measured(Body&& body) {
  // Whoever brought the command here has something left to do: it goes first.
  for (int turn = 0; turn < 8; ++turn) ::sched_yield();
  const long before = faults();
  zcl::user::count_mark<DAQ_MARK_BEGIN>();
  body();
  zcl::user::count_mark<DAQ_MARK_END>();
  return std::to_string(faults() - before);
}

/// Reads `total` bytes of the buffer in pieces, the copying way, and every copied byte once.
void read_copied(int file, const std::string& way, std::size_t piece, std::size_t total) {
  static Bytes to(1U << 20);
  if (piece == 0 || piece > to.size()) throw std::invalid_argument("a piece has 1 byte to 1 MiB");
  for (std::size_t offset = 0; offset < total; offset += piece) {
    const std::size_t bytes = std::min(piece, total - offset);
    if (way == "read") {
      check("pread", ::pread(file, to.data(), bytes, static_cast<off_t>(offset)));
    } else {
      const daq_copy copy{.user_address = reinterpret_cast<std::uintptr_t>(to.data()),
                          .offset = offset,
                          .bytes = bytes};
      check("ioctl DAQ_COPY", ::ioctl(file, DAQ_COPY, &copy));
    }
    zcl::user::sum_words(to.data(), bytes);
  }
}

// Reading what is mapped.

const zcl::user::Commands kReadCommands = {
    {"nothing", [](Arguments&) { return Answer(); }},
    // ADDRESS LENGTH: reads every byte of a mapping; measured
    {"sum",
     [](Arguments& a) {
       const std::uint8_t* address = a.address();
       const auto length = a.number();
       return measured([&] { zcl::user::sum_words(address, length); });
     }},
    // DESCRIPTOR OFFSET LENGTH: maps, reads every byte, unmaps; measured
    {"sum_mapped",
     [](Arguments& a) {
       const int file = a.descriptor();
       const auto offset = a.number();
       const auto length = a.number();
       return measured([&] {
         void* address = map(file, offset, length, PROT_READ, MAP_SHARED);
         zcl::user::sum_words(static_cast<const std::uint8_t*>(address), length);
         check("munmap", ::munmap(address, length));
       });
     }},
    // DESCRIPTOR read|ioctl PIECE LENGTH: copies and reads every byte; measured
    {"sum_copied",
     [](Arguments& a) {
       const int file = a.descriptor();
       const auto way = a.word();
       const auto piece = a.number();
       const auto length = a.number();
       return measured([&] { read_copied(file, way, piece, length); });
     }},
    // Never answers: a program that never sleeps
    {"spin",
     [](Arguments&) -> Answer {
       for (volatile unsigned turns = 0;;) turns = turns + 1;
     }},
};

// The device.

const zcl::user::Commands kDeviceCommands = {
    // STAGING_ADDRESS HEX: before the driver is loaded
    {"load_device",
     [](Arguments& a) {
       const auto staging = a.number();
       auto bytes = a.bytes();
       daq::load_edu(bytes, staging);
       zcl::user::wipe(bytes);
       return Answer();
     }},
    // -> PCI address
    {"find_device", [](Arguments&) { return daq::find_edu().filename().string(); }},
    // DESCRIPTOR AREA -> physical address, bytes
    {"area",
     [](Arguments& a) {
       const int file = a.descriptor();
       daq_area_info info{
           .area = static_cast<__u32>(a.number()), .zero = 0, .physical = 0, .bytes = 0};
       check("ioctl DAQ_GET_AREA", ::ioctl(file, DAQ_GET_AREA, &info));
       return "0x" + zcl::user::to_hex_number(info.physical) + " " + std::to_string(info.bytes);
     }},
    // DESCRIPTOR AREA DEVICE_OFFSET BYTES AREA_OFFSET
    {"acquire",
     [](Arguments& a) {
       const int file = a.descriptor();
       daq_transfer transfer{};
       transfer.area = static_cast<__u32>(a.number());
       transfer.device_offset = static_cast<__u32>(a.number());
       transfer.bytes = static_cast<__u32>(a.number());
       transfer.area_offset = a.number();
       check("ioctl DAQ_ACQUIRE", ::ioctl(file, DAQ_ACQUIRE, &transfer));
       return Answer();
     }},
    // DESCRIPTOR PAGES
    {"resize",
     [](Arguments& a) {
       const int file = a.descriptor();
       check("ioctl DAQ_RESIZE", ::ioctl(file, DAQ_RESIZE, a.number()));
       return Answer();
     }},
    // DESCRIPTOR OFFSET HEX: pwrite -> bytes
    {"fill",
     [](Arguments& a) {
       const int file = a.descriptor();
       const auto offset = static_cast<off_t>(a.number());
       auto bytes = a.bytes();
       const auto written = check("pwrite", ::pwrite(file, bytes.data(), bytes.size(), offset));
       zcl::user::wipe(bytes);
       return std::to_string(written);
     }},
    // DESCRIPTOR OFFSET LENGTH ADDRESS: pread to ADDRESS -> bytes
    {"read",
     [](Arguments& a) {
       const int file = a.descriptor();
       const auto offset = static_cast<off_t>(a.number());
       const auto length = a.number();
       return std::to_string(check("pread", ::pread(file, a.address(), length, offset)));
     }},
};

// The network.

/// A connected socket that may be asked to send without copying.
zcl::user::FileDescriptor connect_in_place(const std::string& address) {
  auto socket = daq::connect_udp(address, kPort);
  int enable = 1;
  check("SO_ZEROCOPY", ::setsockopt(socket.get(), SOL_SOCKET, SO_ZEROCOPY, &enable, sizeof enable));
  return socket;
}

/// The pages of `data` into a pipe, and from there into a socket.
Answer send_by_pipe(const std::string& address, std::uint8_t* data, std::size_t bytes) {
  int ends[2];
  check("pipe", ::pipe2(ends, O_CLOEXEC));
  const zcl::user::FileDescriptor from(ends[0]);
  const zcl::user::FileDescriptor to(ends[1]);
  const iovec piece{.iov_base = data, .iov_len = bytes};
  check("vmsplice", ::vmsplice(to.get(), &piece, 1, 0));
  const auto socket = daq::connect_udp(address, kPort);
  return std::to_string(
      check("splice", ::splice(from.get(), nullptr, socket.get(), nullptr, bytes, 0)));
}

/// Sends `count` samples of the buffer from byte `start` on, `stride` bytes apart, as fast as it
/// goes; measured. `data`: where the buffer is mapped; not used by the way "copy", which reads
/// `file`.
Answer send_many(const std::string& way, int file, std::size_t start, const std::uint8_t* data,
                 std::size_t bytes, std::size_t stride, unsigned count,
                 const std::string& address) {
  const auto socket = connect_in_place(address);
  Bytes copy(bytes);
  const int flags = way == "in_place" ? MSG_ZEROCOPY : 0;
  return measured([&] {
    for (unsigned i = 0; i < count; ++i) {
      const std::size_t at = start + i * stride;
      const std::uint8_t* from = data + at;
      if (way == "copy") {
        check("pread", ::pread(file, copy.data(), bytes, static_cast<off_t>(at)));
        from = copy.data();
      }
      check("send", ::send(socket.get(), from, bytes, flags));
    }
  });
}

/// Device A -> here -> NIC, sample by sample: each transfer takes the device 100 ms.
void stream(const std::string& way, int file, const std::uint8_t* data, std::size_t bytes,
            unsigned count, const std::string& address) {
  for (unsigned i = 0; i < count; ++i) {
    const std::size_t page = i % 16 * std::size_t{4096};
    const daq_transfer transfer{.area = DAQ_BUFFER,
                                .device_offset = 0,
                                .bytes = static_cast<__u32>(bytes),
                                .zero = 0,
                                .area_offset = page};
    check("ioctl DAQ_ACQUIRE", ::ioctl(file, DAQ_ACQUIRE, &transfer));
    send_many(way, file, page, data, bytes, 0, 1, address);
  }
}

const zcl::user::Commands kNetworkCommands = {
    // INTERFACE ADDRESS MAC
    {"neighbour",
     [](Arguments& a) {
       const auto interface = a.word();
       const auto address = a.word();
       daq::add_neighbour(interface, address, a.bytes());
       return Answer();
     }},
    // ADDRESS DATA LENGTH
    {"send",
     [](Arguments& a) {
       const auto socket = daq::connect_udp(a.word(), kPort);
       const std::uint8_t* data = a.address();
       return std::to_string(check("send", ::send(socket.get(), data, a.number(), 0)));
     }},
    // ADDRESS DATA LENGTH
    {"send_in_place",
     [](Arguments& a) {
       const auto socket = connect_in_place(a.word());
       const std::uint8_t* data = a.address();
       return std::to_string(check("send", ::send(socket.get(), data, a.number(), MSG_ZEROCOPY)));
     }},
    // ADDRESS DATA LENGTH
    {"send_by_pipe",
     [](Arguments& a) {
       const auto address = a.word();
       std::uint8_t* data = a.address();
       return send_by_pipe(address, data, a.number());
     }},
    // copy|map|in_place DESCRIPTOR DATA LENGTH STRIDE COUNT ADDRESS
    {"send_many",
     [](Arguments& a) {
       const auto way = a.word();
       const int file = a.descriptor();
       const std::uint8_t* data = a.address();
       const auto bytes = a.number();
       const auto stride = a.number();
       const auto count = static_cast<unsigned>(a.number());
       return send_many(way, file, 0, data, bytes, stride, count, a.word());
     }},
    // copy|map|in_place DESCRIPTOR DATA LENGTH COUNT ADDRESS
    {"stream",
     [](Arguments& a) {
       const auto way = a.word();
       const int file = a.descriptor();
       const std::uint8_t* data = a.address();
       const auto bytes = a.number();
       const auto count = static_cast<unsigned>(a.number());
       stream(way, file, data, bytes, count, a.word());
       return Answer();
     }},
    // INTERFACE -> descriptor: stamps every IPv4 packet from now on
    {"stamp", [](Arguments& a) { return std::to_string(daq::open_packet_clock(a.word())); }},
    // DESCRIPTOR COUNT -> arrival times, ns
    {"stamps",
     [](Arguments& a) {
       const int socket = a.descriptor();
       return daq::read_packet_clock(socket, static_cast<unsigned>(a.number()));
     }},
};

}  // namespace

int main() {
  return zcl::user::run_program("daq_probe", [] {
    zcl::user::install_memory_signals();
    zcl::user::Commands commands = zcl::user::kMemoryCommands;
    commands.insert(kReadCommands.begin(), kReadCommands.end());
    commands.insert(kDeviceCommands.begin(), kDeviceCommands.end());
    commands.insert(kNetworkCommands.begin(), kNetworkCommands.end());
    return zcl::user::answer_all(commands);
  });
}
