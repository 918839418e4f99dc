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
#include "guarded_read.hh"
#include "packet_clock.hh"
#include "udp_socket.hh"

namespace {

using daq::Answer;
using daq::Arguments;
using daq::Bytes;
using zcl::user::check;

constexpr std::uint16_t kPort = 4000;

std::string hex_number(const void* address) {
  return "0x" + daq::to_hex_number(reinterpret_cast<std::uintptr_t>(address));
}

int flags_of(const std::string& word) {
  static const std::map<std::string, int> flags = {
      {"r", O_RDONLY}, {"rw", O_RDWR}, {"sync", O_RDWR | O_SYNC}};
  return flags.at(word);
}

int protection_of(const std::string& letters) {
  int protection = PROT_NONE;
  for (const char letter : letters) {
    if (letter == 'r') protection |= PROT_READ;
    if (letter == 'w') protection |= PROT_WRITE;
    if (letter == 'x') protection |= PROT_EXEC;
  }
  return protection;
}

void* map(int file, std::uint64_t offset, std::size_t length, int protection, int flags) {
  void* address = ::mmap(nullptr, length, protection, flags, file, static_cast<off_t>(offset));
  if (address == MAP_FAILED) zcl::user::throw_errno("mmap");
  return address;
}

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
    daq::sum_words(to.data(), bytes);
  }
}

// Files and memory.

const daq::Commands kMemoryCommands = {
    {"nothing", [](Arguments&) { return Answer(); }},
    // PATH r|rw|sync -> descriptor
    {"open",
     [](Arguments& a) {
       const auto path = a.word();
       return std::to_string(check("open", ::open(path.c_str(), flags_of(a.word()) | O_CLOEXEC)));
     }},
    {"close", [](Arguments& a) { return std::to_string(check("close", ::close(a.descriptor()))); }},
    // DESCRIPTOR OFFSET LENGTH PROTECTION shared|private -> address
    {"map",
     [](Arguments& a) {
       const int file = a.descriptor();
       const auto offset = a.number();
       const auto length = a.number();
       const int protection = protection_of(a.word());
       return hex_number(
           map(file, offset, length, protection, a.word() == "private" ? MAP_PRIVATE : MAP_SHARED));
     }},
    // LENGTH -> address
    {"anonymous",
     [](Arguments& a) {
       return hex_number(map(-1, 0, a.number(), PROT_READ | PROT_WRITE,
                             MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE));
     }},
    // ADDRESS LENGTH
    {"unmap",
     [](Arguments& a) {
       void* address = a.address();
       check("munmap", ::munmap(address, a.number()));
       return Answer();
     }},
    // ADDRESS LENGTH PROTECTION
    {"protect",
     [](Arguments& a) {
       void* address = a.address();
       const auto length = a.number();
       check("mprotect", ::mprotect(address, length, protection_of(a.word())));
       return Answer();
     }},
    // ADDRESS OLD_LENGTH NEW_LENGTH -> address
    {"remap",
     [](Arguments& a) {
       void* address = a.address();
       const auto old_length = a.number();
       void* moved = ::mremap(address, old_length, a.number(), MREMAP_MAYMOVE);
       if (moved == MAP_FAILED) zcl::user::throw_errno("mremap");
       return hex_number(moved);
     }},
    // ADDRESS: reads one byte
    {"touch",
     [](Arguments& a) {
       const volatile std::uint8_t* address = a.address();
       daq::guarded_call([&] { static_cast<void>(*address); });
       return Answer();
     }},
    // ADDRESS LENGTH -> hexadecimal
    {"peek",
     [](Arguments& a) {
       const std::uint8_t* address = a.address();
       return daq::to_hex(address, a.number());
     }},
    // ADDRESS HEX
    {"poke",
     [](Arguments& a) {
       std::uint8_t* address = a.address();
       auto bytes = a.bytes();
       std::memcpy(address, bytes.data(), bytes.size());
       daq::wipe(bytes);
       return Answer();
     }},
    // ADDRESS LENGTH: reads every byte of a mapping; measured
    {"sum",
     [](Arguments& a) {
       const std::uint8_t* address = a.address();
       const auto length = a.number();
       return measured([&] { daq::sum_words(address, length); });
     }},
    // DESCRIPTOR OFFSET LENGTH: maps, reads every byte, unmaps; measured
    {"sum_mapped",
     [](Arguments& a) {
       const int file = a.descriptor();
       const auto offset = a.number();
       const auto length = a.number();
       return measured([&] {
         void* address = map(file, offset, length, PROT_READ, MAP_SHARED);
         daq::sum_words(static_cast<const std::uint8_t*>(address), length);
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
    // -> pid of a child that holds everything and sleeps until it is killed
    {"fork",
     [](Arguments&) {
       const pid_t child = check("fork", ::fork());
       if (child == 0) {
         for (;;) ::pause();
       }
       return std::to_string(child);
     }},
    // PID
    {"kill",
     [](Arguments& a) {
       const auto child = static_cast<pid_t>(a.number());
       check("kill", ::kill(child, SIGKILL));
       check("waitpid", ::waitpid(child, nullptr, 0));
       return Answer();
     }},
};

// The device.

const daq::Commands kDeviceCommands = {
    // STAGING_ADDRESS HEX: before the driver is loaded
    {"load_device",
     [](Arguments& a) {
       const auto staging = a.number();
       auto bytes = a.bytes();
       daq::load_edu(bytes, staging);
       daq::wipe(bytes);
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
       return "0x" + daq::to_hex_number(info.physical) + " " + std::to_string(info.bytes);
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
       daq::wipe(bytes);
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
    // DESCRIPTOR COMMAND HEX: any ioctl with any argument struct -> the struct afterwards
    {"ioctl",
     [](Arguments& a) {
       const int file = a.descriptor();
       const auto command = a.number();
       auto argument = a.bytes();
       check("ioctl", ::ioctl(file, command, argument.data()));
       return daq::to_hex(argument.data(), argument.size());
     }},
    // DESCRIPTOR COMMAND NUMBER: any ioctl with any number or pointer
    {"ioctl_number",
     [](Arguments& a) {
       const int file = a.descriptor();
       const auto command = a.number();
       check("ioctl", ::ioctl(file, command, a.number()));
       return Answer();
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

const daq::Commands kNetworkCommands = {
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
    daq::install_memory_signals();
    daq::Commands commands = kMemoryCommands;
    commands.insert(kDeviceCommands.begin(), kDeviceCommands.end());
    commands.insert(kNetworkCommands.begin(), kNetworkCommands.end());
    return daq::answer_all(commands);
  });
}
