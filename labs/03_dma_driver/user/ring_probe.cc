// SPDX-License-Identifier: MIT
// ring_probe: does to a NIC's ring (/dev/zcl0) and to its netdev what standard input says, one
// command a line.
//
// The host drives experiments and checks through it, and looks at the guest's memory and at the
// wire between the commands. What the probe answers is a claim and earns nothing. It has one ring
// at most. Each entry of the tables below is a command; its comment gives the arguments. METHOD is
// one of kMethods.
#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/select.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <memory>

#include "memory_commands.hh"
#include "ring.hh"

namespace {

using zcl::user::Answer;
using zcl::user::Arguments;
using zcl::user::Bytes;
using zcl::user::check;
using zcl::user::FileDescriptor;
using zcl::user::Ring;

constexpr std::size_t kLargestPacket = 16384;
constexpr std::size_t kMac = 6;

std::string text_of(std::uint64_t number) {
  return std::to_string(number);
}

std::string address_of(const void* address) {
  return zcl::user::hex_number(address);
}

/// The one ring, and how this program waits for it.
struct Session {
  Session(const std::string& node, const zcl::user::RingOptions& options) : ring(node, options) {}

  Ring ring;
  FileDescriptor event;
  FileDescriptor epoll;
  std::vector<std::uint32_t> spares;
  std::vector<std::byte> copy = std::vector<std::byte>(kLargestPacket);
  std::size_t in_copy = 0;  ///< bytes that the last read() put there
};

std::unique_ptr<Session> session;

Session& the_session() {
  if (session == nullptr) throw std::invalid_argument("no ring: use `ring` first");
  return *session;
}

Ring& the_ring() {
  return the_session().ring;
}

zcl_interrupts interrupts_of(const std::string& word) {
  static const std::map<std::string, zcl_interrupts> names = {
      {"sleepers", ZCL_INTERRUPTS_FOR_SLEEPERS}, {"always", ZCL_INTERRUPTS_ALWAYS}};
  return names.at(word);
}

// Waiting. Each returns when there may be something; what there is, is looked at afterwards.

void wait_poll(Session& s) {
  if ((s.ring.wait(POLLIN) & POLLIN) == 0) throw std::runtime_error("poll: not POLLIN");
}

void wait_select(Session& s) {
  fd_set readable;
  FD_ZERO(&readable);
  FD_SET(s.ring.file().get(), &readable);
  check("select", ::select(s.ring.file().get() + 1, &readable, nullptr, nullptr, nullptr));
}

void wait_epoll(Session& s) {
  if (s.epoll.get() < 0) {
    s.epoll = FileDescriptor(check("epoll_create1", ::epoll_create1(EPOLL_CLOEXEC)));
    epoll_event event{.events = EPOLLIN, .data = {}};
    check("epoll_ctl", ::epoll_ctl(s.epoll.get(), EPOLL_CTL_ADD, s.ring.file().get(), &event));
  }
  epoll_event event{};
  check("epoll_wait", ::epoll_wait(s.epoll.get(), &event, 1, -1));
}

void wait_eventfd(Session& s) {
  if (s.event.get() < 0) {
    s.event = FileDescriptor(check("eventfd", ::eventfd(0, EFD_CLOEXEC)));
    s.ring.set_eventfd(s.event.get());
    // What came before that was signalled to nobody.
    if (!s.ring.rx().available().empty()) return;
  }
  std::uint64_t count = 0;
  check("read eventfd", ::read(s.event.get(), &count, sizeof count));
}

void wait_busy(Session& s) {
  while (s.ring.rx().available().empty()) {
    check("ZCL_SYNC", s.ring.sync(ZCL_SYNC_RX | ZCL_SYNC_BUSY));
  }
}

using Wait = void (*)(Session&);
const std::map<std::string, Wait> kMethods = {{"poll", wait_poll},
                                              {"select", wait_select},
                                              {"epoll", wait_epoll},
                                              {"eventfd", wait_eventfd},
                                              {"busy", wait_busy}};

/// Slots of RxBuf that hold packets.
std::uint32_t waiting(const Ring& ring) {
  const auto& queue = ring.page().rxq;
  return __atomic_load_n(&queue.head, __ATOMIC_ACQUIRE) - queue.tail;
}

/// Calls `use(slot)` for `packets` packets' fragments, and returns each slot when it is used, but
/// leaves `lag` slots in the ring as long as packets are still to come.
template <typename Use>
void for_each_fragment(std::uint64_t packets, const std::string& method, std::uint64_t lag,
                       Use&& use) {
  auto& s = the_session();
  const Wait wait = kMethods.at(method);
  while (packets > 0) {
    const auto there = waiting(s.ring);
    const std::size_t usable = packets <= lag ? there : there - std::min<std::size_t>(there, lag);
    if (usable == 0 && there > 0) check("ZCL_SYNC", s.ring.sync(ZCL_SYNC_RX | ZCL_SYNC_BUSY));
    const auto slots = s.ring.rx().available();
    std::size_t used = 0;
    for (const auto& slot : slots.first(std::min(usable, slots.size()))) {
      if (packets == 0) break;
      use(slot);
      if ((slot.flags & ZCL_END_OF_PACKET) != 0) --packets;
      ++used;
    }
    s.ring.rx().release(used);
    if (packets > 0 && s.ring.rx().available().empty()) wait(s);
  }
}

// Receiving.

Answer consume(std::uint64_t packets, const std::string& method, std::uint64_t lag) {
  std::uint64_t bytes = 0;
  for_each_fragment(packets, method, lag,
                    [&](const zcl_descriptor& slot) { bytes += slot.length; });
  return text_of(bytes);
}

void swap_addresses(std::span<std::byte> frame) {
  if (frame.size() < 2 * kMac) return;
  std::swap_ranges(frame.begin(), frame.begin() + kMac, frame.begin() + kMac);
}

void send_reserved(Ring& ring) {
  ring.tx().submit();
  check("ZCL_SYNC", ring.sync(ZCL_SYNC_TX));
}

/// A received fragment goes to TxBuf as it is, the first of each packet with its MAC addresses
/// swapped.
void forward_fragment(Ring& ring, const zcl_descriptor& slot) {
  if ((slot.flags & ZCL_START_OF_PACKET) != 0) swap_addresses(ring.data(slot));
  while (!ring.forward(slot)) send_reserved(ring);
  if ((slot.flags & ZCL_END_OF_PACKET) != 0) send_reserved(ring);
}

Answer forward(std::uint64_t packets, const std::string& method) {
  auto& ring = the_ring();
  for_each_fragment(packets, method, 0,
                    [&](const zcl_descriptor& slot) { forward_fragment(ring, slot); });
  return {};
}

std::size_t forward_what_is_there(Ring& ring) {
  const auto slots = ring.rx().available();
  for (const auto& slot : slots) forward_fragment(ring, slot);
  ring.rx().release(slots.size());
  return slots.size();
}

bool another_command_waits() {
  pollfd input{.fd = STDIN_FILENO, .events = POLLIN, .revents = 0};
  return check("poll", ::poll(&input, 1, 0)) > 0;
}

/// Ring mode, in which this program forwards, and stack mode by turns, until there is another
/// command. -> changes of mode
Answer alternate() {
  constexpr unsigned kTurns = 2000;
  constexpr std::size_t kEnough = 30;
  constexpr unsigned kStackMicroseconds = 200;
  auto& ring = the_ring();
  std::uint64_t changes = 0;
  while (!another_command_waits()) {
    ring.set_mode(ZCL_MODE_RING);
    std::size_t forwarded = 0;
    for (unsigned turn = 0; turn < kTurns && forwarded < kEnough; ++turn) {
      check("ZCL_SYNC", ring.sync(ZCL_SYNC_RX | ZCL_SYNC_BUSY));
      forwarded += forward_what_is_there(ring);
    }
    ring.set_mode(ZCL_MODE_STACK);
    forward_what_is_there(ring);
    ::usleep(kStackMicroseconds);
    changes += 2;
  }
  return text_of(changes);
}

/// "BUFFER LENGTH FLAGS TYPE" of each packet's buffer that is there, oldest first.
Answer look() {
  Answer answer;
  for (const auto& slot : the_ring().rx().available()) {
    answer += text_of(slot.buffer) + " " + text_of(slot.length) + " " + text_of(slot.flags) + " " +
              text_of(slot.type) + " ";
  }
  return answer;
}

/// Exchanges the oldest `count` fragments' buffers for spare ones. -> the kept buffers
Answer keep(std::size_t count) {
  auto& s = the_session();
  const auto slots = s.ring.rx().available();
  if (slots.size() < count || s.spares.size() < count) {
    throw std::runtime_error("not so many packets or spare buffers");
  }
  Answer answer;
  for (std::size_t i = 0; i < count; ++i) {
    const auto kept = s.ring.rx().keep(slots[i], s.spares.back());
    s.spares.pop_back();
    answer += text_of(kept) + " ";
  }
  s.ring.rx().release(count);
  return answer;
}

// Sending.

/// `bytes` as one packet of pieces of `piece` bytes, each in the buffer of its slot of TxBuf.
/// -> "BUFFER ..."
Answer send_packet(const Bytes& bytes, std::size_t piece) {
  auto& ring = the_ring();
  Answer answer;
  for (std::size_t at = 0; at < bytes.size(); at += piece) {
    const auto part = std::span(bytes).subspan(at, std::min(piece, bytes.size() - at));
    auto* const slot = ring.tx().reserve();
    if (slot == nullptr) throw std::runtime_error("TxBuf is full");
    const auto buffer = ring.buffer(slot->buffer);
    if (part.size() > buffer.size()) throw std::invalid_argument("a piece is at most a buffer");
    std::memcpy(buffer.data(), part.data(), part.size());
    slot->length = static_cast<__u16>(part.size());
    slot->flags = static_cast<__u8>((at == 0 ? ZCL_START_OF_PACKET : 0) |
                                    (at + piece >= bytes.size() ? ZCL_END_OF_PACKET : 0));
    answer += text_of(slot->buffer) + " ";
  }
  send_reserved(ring);
  return answer;
}

// Hostility.

/// xorshift64: any numbers will do.
std::uint64_t next_random(std::uint64_t& state) {
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return state;
}

/// `count` stores of random length and value: half of them over the ring page (behind its first
/// line), half over the pool. After every `between` stores, both directions are synchronised.
Answer scribble(std::uint64_t seed, std::uint64_t count, std::uint64_t between) {
  auto& ring = the_ring();
  auto* const page = reinterpret_cast<std::uint8_t*>(ring.ring_mapping().data());
  auto* const pool = reinterpret_cast<std::uint8_t*>(ring.pool_mapping().data());
  std::uint64_t state = seed | 1;
  for (std::uint64_t i = 1; i <= count; ++i) {
    const auto word = next_random(state);
    const auto where = next_random(state);
    const std::size_t bytes = std::size_t{1} << (word & 3);
    // Small numbers are more often almost right.
    const std::uint64_t value = (word & 4) != 0 ? word >> 8 : word >> 56;
    const bool at_page = (word & 8) != 0;
    const std::size_t size = at_page ? ring.ring_mapping().size() : ring.pool_mapping().size();
    std::memcpy((at_page ? page : pool) + where % (size - sizeof value), &value, bytes);
    if (i % between == 0) ring.sync(ZCL_SYNC_RX | ZCL_SYNC_TX);
  }
  return {};
}

/// ZCL_SETUP alone: no mapping. -> descriptor, bytes of page and pool, buffers, address of an own
/// pool
Answer set_up(Arguments& a) {
  FileDescriptor file = zcl::user::open_file(a.word(), O_RDWR);
  zcl_setup setup{};
  setup.version = ZCL_RING_VERSION;
  setup.rx_slots = static_cast<__u32>(a.number());
  setup.tx_slots = static_cast<__u32>(a.number());
  setup.spares = static_cast<__u32>(a.number());
  setup.buffer_bytes = static_cast<__u32>(a.number());
  setup.interrupts = interrupts_of(a.word());
  const bool own = a.word() == "own";
  if (own) {
    setup.user_pool = 4096;
    if (::ioctl(file.get(), ZCL_SETUP, &setup) == 0 || errno != EMSGSIZE) {
      zcl::user::throw_errno("ZCL_SETUP");
    }
    static std::vector<zcl::user::Mapping> pools;
    pools.push_back(zcl::user::Mapping::anonymous(setup.pool_bytes));
    setup.user_pool = reinterpret_cast<std::uintptr_t>(pools.back().data());
    setup.user_pool_bytes = setup.pool_bytes;
  }
  check("ZCL_SETUP", ::ioctl(file.get(), ZCL_SETUP, &setup));
  static std::vector<FileDescriptor> files;
  files.push_back(std::move(file));
  return text_of(static_cast<std::uint64_t>(files.back().get())) + " " + text_of(setup.ring_bytes) +
         " " + text_of(setup.pool_bytes) + " " + text_of(setup.buffers) + " 0x" +
         zcl::user::to_hex_number(setup.user_pool);
}

/// -> addresses and bytes of page and pool, descriptor, buffers
Answer open_ring(Arguments& a) {
  const auto node = a.word();
  zcl::user::RingOptions options;
  options.rx_slots = static_cast<std::uint32_t>(a.number());
  options.tx_slots = static_cast<std::uint32_t>(a.number());
  options.spares = static_cast<std::uint32_t>(a.number());
  options.buffer_bytes = static_cast<std::uint32_t>(a.number());
  options.interrupts = interrupts_of(a.word());
  options.own_memory = a.word() == "own";
  session.reset();
  zcl::user::guarded_call([&] { session = std::make_unique<Session>(node, options); });
  const auto& ring = session->ring;
  const auto [first, count] = ring.spares();
  for (std::uint32_t i = 0; i < count; ++i) session->spares.push_back(first + i);
  return address_of(ring.ring_mapping().data()) + " " + text_of(ring.ring_mapping().size()) + " " +
         address_of(ring.pool_mapping().data()) + " " + text_of(ring.pool_mapping().size()) + " " +
         std::to_string(ring.file().get()) + " " + text_of(ring.buffers());
}

const zcl::user::Commands kRingCommands = {
    // NODE RX_SLOTS TX_SLOTS SPARES BUFFER_BYTES sleepers|always kernel|own
    {"setup", set_up},
    // the same -> page's address and bytes, pool's address and bytes, descriptor, buffers
    {"ring", open_ring},
    {"close_ring",
     [](Arguments&) {
       session.reset();
       return Answer();
     }},
    // 0 stack, 1 ring, 2 split
    {"mode",
     [](Arguments& a) {
       the_ring().set_mode(static_cast<zcl_mode>(a.number()));
       return Answer();
     }},
    // PORT
    {"filter_port",
     [](Arguments& a) {
       the_ring().filter_udp_port(static_cast<std::uint16_t>(a.number()));
       return Answer();
     }},
    // TYPE
    {"filter_ethertype",
     [](Arguments& a) {
       the_ring().filter_ethertype(static_cast<std::uint16_t>(a.number()));
       return Answer();
     }},
    // OFFSET VALUE: a BPF program that wants packets with this 16-bit value
    {"filter_bpf",
     [](Arguments& a) {
       const auto offset = static_cast<__u32>(a.number());
       const auto value = static_cast<__u32>(a.number());
       sock_filter program[] = {BPF_STMT(BPF_LD | BPF_H | BPF_ABS, offset),
                                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, 1),
                                BPF_STMT(BPF_RET | BPF_K, 0xffff), BPF_STMT(BPF_RET | BPF_K, 0)};
       the_ring().filter_bpf(program);
       return Answer();
     }},
    // FLAGS -> packets taken
    {"sync",
     [](Arguments& a) {
       return std::to_string(check("ZCL_SYNC", the_ring().sync(static_cast<unsigned>(a.number()))));
     }},
    {"reset",
     [](Arguments&) {
       the_ring().reset();
       return Answer();
     }},
    // -> the fields of struct zcl_stats, in its order
    {"stats",
     [](Arguments&) {
       const auto stats = the_ring().stats();
       std::array<std::uint64_t, sizeof stats / sizeof(std::uint64_t)> numbers{};
       std::memcpy(numbers.data(), &stats, sizeof stats);
       Answer answer;
       for (const auto number : numbers) answer += text_of(number) + " ";
       return answer;
     }},
    {"look", [](Arguments&) { return look(); }},
    // COUNT
    {"release",
     [](Arguments& a) {
       the_ring().rx().release(a.number());
       return Answer();
     }},
    // COUNT
    {"keep", [](Arguments& a) { return keep(a.number()); }},
    // METHOD: until there is something
    {"wait",
     [](Arguments& a) {
       kMethods.at(a.word())(the_session());
       return Answer();
     }},
    // -> bytes, address: one packet by read(2)
    {"read",
     [](Arguments&) {
       auto& s = the_session();
       const auto got = check("read", ::read(s.ring.file().get(), s.copy.data(), s.copy.size()));
       return std::to_string(got) + " " + address_of(s.copy.data());
     }},
    // PACKETS METHOD LAG -> bytes
    {"consume",
     [](Arguments& a) {
       const auto packets = a.number();
       const auto method = a.word();
       return consume(packets, method, a.number());
     }},
    // PACKETS METHOD
    {"forward",
     [](Arguments& a) {
       const auto packets = a.number();
       return forward(packets, a.word());
     }},
    // -> changes of mode
    {"alternate", [](Arguments&) { return alternate(); }},
    {"nothing", [](Arguments&) { return Answer(); }},
    // Reserves a slot of TxBuf, for others to fill in
    {"skip_slot",
     [](Arguments&) {
       if (the_ring().tx().reserve() == nullptr) throw std::runtime_error("TxBuf is full");
       return Answer();
     }},
    // PIECE HEX -> buffers
    {"send",
     [](Arguments& a) {
       const auto piece = a.number();
       auto bytes = a.bytes();
       auto answer = send_packet(bytes, piece);
       zcl::user::wipe(bytes);
       return answer;
     }},
    // SEED COUNT BETWEEN
    {"scribble",
     [](Arguments& a) {
       const auto seed = a.number();
       const auto count = a.number();
       return scribble(seed, count, a.number());
     }},
};

// The ordinary netdev.

sockaddr_in ipv4_address(const std::string& address, std::uint16_t port) {
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(port);
  if (::inet_pton(AF_INET, address.c_str(), &to.sin_addr) != 1) {
    throw std::invalid_argument("not an IPv4 address: " + address);
  }
  return to;
}

/// Every frame of `type` that the interface gets.
int open_packet_socket(const std::string& interface, std::uint16_t type) {
  const int file = check("socket", ::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(type)));
  sockaddr_ll address{};
  address.sll_family = AF_PACKET;
  address.sll_protocol = htons(type);
  address.sll_ifindex =
      static_cast<int>(check("if_nametoindex", ::if_nametoindex(interface.c_str())));
  // Bursts are to be lost nowhere but where it is looked for.
  const int room = 16 << 20;
  check("SO_RCVBUFFORCE", ::setsockopt(file, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room));
  check("bind", ::bind(file, reinterpret_cast<const sockaddr*>(&address), sizeof address));
  return file;
}

ifreq request_for(const std::string& interface) {
  ifreq request{};
  interface.copy(request.ifr_name, IFNAMSIZ - 1);
  return request;
}

FileDescriptor any_socket() {
  return FileDescriptor(check("socket", ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)));
}

const zcl::user::Commands kNetworkCommands = {
    // INTERFACE TYPE -> descriptor
    {"packet_socket",
     [](Arguments& a) {
       const auto interface = a.word();
       return std::to_string(open_packet_socket(interface, static_cast<std::uint16_t>(a.number())));
     }},
    // DESCRIPTOR ADDRESS CAPACITY -> bytes
    {"receive",
     [](Arguments& a) {
       const int file = a.descriptor();
       auto* const to = a.address();
       return std::to_string(check("recv", ::recv(file, to, a.number(), 0)));
     }},
    // PORT -> descriptor
    {"udp_socket",
     [](Arguments& a) {
       auto socket = any_socket();
       const auto address = ipv4_address("0.0.0.0", static_cast<std::uint16_t>(a.number()));
       check("bind",
             ::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address));
       static std::vector<FileDescriptor> sockets;
       sockets.push_back(std::move(socket));
       return std::to_string(sockets.back().get());
     }},
    // ADDRESS PORT HEX
    {"udp_send",
     [](Arguments& a) {
       const auto host = a.word();
       const auto to = ipv4_address(host, static_cast<std::uint16_t>(a.number()));
       auto bytes = a.bytes();
       const auto socket = any_socket();
       check("sendto", ::sendto(socket.get(), bytes.data(), bytes.size(), 0,
                                reinterpret_cast<const sockaddr*>(&to), sizeof to));
       zcl::user::wipe(bytes);
       return Answer();
     }},
    // INTERFACE ADDRESS MAC: a permanent entry of the neighbour table
    {"neighbour",
     [](Arguments& a) {
       arpreq request{};
       const auto interface = a.word();
       const auto address = ipv4_address(a.word(), 0);
       std::memcpy(&request.arp_pa, &address, sizeof address);
       const auto mac = a.bytes();
       request.arp_ha.sa_family = ARPHRD_ETHER;
       std::memcpy(request.arp_ha.sa_data, mac.data(), std::min(mac.size(), kMac));
       request.arp_flags = ATF_COM | ATF_PERM;
       interface.copy(request.arp_dev, sizeof request.arp_dev - 1);
       check("SIOCSARP", ::ioctl(any_socket().get(), SIOCSARP, &request));
       return Answer();
     }},
    // INTERFACE MAC
    {"set_mac",
     [](Arguments& a) {
       auto request = request_for(a.word());
       const auto mac = a.bytes();
       request.ifr_hwaddr.sa_family = ARPHRD_ETHER;
       std::memcpy(request.ifr_hwaddr.sa_data, mac.data(), std::min(mac.size(), kMac));
       check("SIOCSIFHWADDR", ::ioctl(any_socket().get(), SIOCSIFHWADDR, &request));
       return Answer();
     }},
    // INTERFACE MTU
    {"set_mtu",
     [](Arguments& a) {
       auto request = request_for(a.word());
       request.ifr_mtu = static_cast<int>(a.number());
       check("SIOCSIFMTU", ::ioctl(any_socket().get(), SIOCSIFMTU, &request));
       return Answer();
     }},
};

}  // namespace

int main() {
  return zcl::user::run_program("ring_probe", [] {
    zcl::user::install_memory_signals();
    zcl::user::Commands commands = zcl::user::kMemoryCommands;
    commands.insert(kRingCommands.begin(), kRingCommands.end());
    commands.insert(kNetworkCommands.begin(), kNetworkCommands.end());
    return zcl::user::answer_all(commands);
  });
}
