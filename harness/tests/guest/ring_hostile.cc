// SPDX-License-Identifier: MIT
// Guest side of the tests of lab 03's ring: a program that does what it should not, or dies.
//
//   ring_hostile SENDER INTERFACE CASE [NUMBER]
//
// Each case ends with status 0 when kernel and ring behaved, or says what was different.
#include <sys/wait.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <map>
#include <random>
#include <vector>

#include "harness/tests/guest/ring_expect.hh"
#include "labs/common/user/burst_sender.hh"
#include "labs/common/user/ring.hh"

namespace {

using zcl::test::expect;
using zcl::test::expect_errno;
using zcl::user::BurstSender;
using zcl::user::check;
using zcl::user::Mapping;
using zcl::user::Ring;
using zcl::user::ring_node;

constexpr std::size_t kPage = 4096;
constexpr std::size_t kBurst = 32;

struct Setting {
  BurstSender& sender;
  std::string interface;
  std::uint64_t number;
};

/// Sends a burst and takes it from the ring, by polling.
void expect_traffic(Ring& ring, BurstSender& sender) {
  for (int round = 0; round < 8; ++round) {
    std::size_t got = 0;
    sender.emit(kBurst);
    while (got < kBurst) {
      expect(ring.wait(POLLIN, 2000) == POLLIN, "no packet within two seconds");
      const auto slots = ring.rx().available();
      got += slots.size();
      ring.rx().release(slots.size());
    }
    expect(got == kBurst, "more packets than were sent");
  }
}

/// A fresh start has traffic.
void expect_usable(const Setting& setting) {
  Ring ring(ring_node(setting.interface));
  ring.set_mode(ZCL_MODE_RING);
  expect_traffic(ring, setting.sender);
}

// Random writes over ring page and pool, with every call in between.

class Scribbler {
 public:
  Scribbler(Ring& ring, std::uint64_t seed) : ring_(ring), random_(seed) {}

  void write() {
    auto* const page = ring_.ring_mapping().data();
    const std::size_t size = ring_.ring_mapping().size();
    switch (random_() % 16) {
      case 0:  // an index
        *index() = value();
        return;
      case 1:  // an index that is nearly right
        *index() += static_cast<std::uint32_t>(random_() % 16);
        return;
      case 2:
        store(ring_.pool_mapping().data(), ring_.pool_mapping().size());
        return;
      case 3:  // a packet to send that is nearly right
      case 5:
      case 6:
        describe();
        return;
      case 4:
        store(page, size);
        return;
      default:  // now and then something right, so that packets flow
        repair();
    }
  }

  void call() {
    static constexpr unsigned kSyncs[] = {ZCL_SYNC_RX, ZCL_SYNC_TX, ZCL_SYNC_RX | ZCL_SYNC_TX,
                                          ZCL_SYNC_RX | ZCL_SYNC_BUSY};
    const int file = ring_.file().get();
    std::byte bytes[256];
    zcl_copy copy{reinterpret_cast<std::uintptr_t>(bytes), sizeof bytes, 0};
    switch (random_() % 16) {
      case 0:
        ring_.wait(POLLIN | POLLOUT, 0);
        return;
      case 1:
        static_cast<void>(::ioctl(file, ZCL_COPY, &copy));
        return;
      case 2:
        if (::read(file, bytes, sizeof bytes) < 0) errno = 0;
        return;
      case 3: {
        void* const at = ::mmap(nullptr, kPage, PROT_READ, MAP_SHARED, file, ZCL_MAP_PACKET);
        if (at != MAP_FAILED) packets_.push_back(at);
        if (packets_.size() > 20 || (random_() % 2 == 0 && !packets_.empty())) unmap_one();
        return;
      }
      case 4:
        ::ioctl(file, ZCL_SET_MODE, random_() % 16 == 0 ? random_() % 4 : 1UL);
        return;
      default:
        ring_.sync(kSyncs[random_() % std::size(kSyncs)]);
    }
  }

  std::uint64_t next() { return random_(); }
  void unmap_all() {
    while (!packets_.empty()) unmap_one();
  }

 private:
  void unmap_one() {
    ::munmap(packets_.back(), kPage);
    packets_.pop_back();
  }
  std::uint32_t value() {
    switch (random_() % 4) {
      case 0:
        return static_cast<std::uint32_t>(random_());
      case 1:
        return static_cast<std::uint32_t>(-(random_() % 4));
      default:
        return static_cast<std::uint32_t>(random_() % (std::uint64_t{2} * ring_.buffers()));
    }
  }
  std::uint32_t* index() {
    auto& page = ring_.page();
    std::uint32_t* const all[] = {&page.rxq.head, &page.rxq.tail, &page.txq.head, &page.txq.tail};
    return all[random_() % std::size(all)];
  }
  void store(std::byte* base, std::size_t size) {
    const std::uint32_t word = value();
    std::memcpy(base + random_() % (size / sizeof word) * sizeof word, &word, sizeof word);
  }
  zcl_descriptor* slots() {
    return reinterpret_cast<zcl_descriptor*>(ring_.ring_mapping().data() + sizeof(zcl_ring_page));
  }
  void repair() {
    auto& page = ring_.page();
    slots()[random_() % ZCL_DEFAULT_RX_SLOTS].buffer =
        static_cast<std::uint32_t>(random_() % ring_.buffers());
    if (random_() % 4 == 0) page.rxq.tail = page.rxq.head;
  }
  void describe() {
    auto& page = ring_.page();
    auto& slot = slots()[ZCL_DEFAULT_RX_SLOTS + random_() % ZCL_DEFAULT_TX_SLOTS];
    slot = {.buffer = static_cast<std::uint32_t>(random_() % ring_.buffers()),
            .length = static_cast<std::uint16_t>(14 + random_() % 3000),
            .flags = static_cast<std::uint8_t>(random_() % 4),
            .type = 0,
            .timestamp = 0};
    page.txq.head = page.txq.tail + static_cast<std::uint32_t>(random_() % 65);
  }

  Ring& ring_;
  std::mt19937_64 random_;
  std::vector<void*> packets_;
};

void scribble(const Setting& setting) {
  Ring ring(ring_node(setting.interface), {.buffer_bytes = ZCL_BUFFER_4K});
  ring.set_mode(ZCL_MODE_RING);
  zcl::user::wait_for_reception();  // buffers of another size may mean another RCTL
  Scribbler scribbler(ring, 42);
  check("fcntl", ::fcntl(ring.file().get(), F_SETFL, O_NONBLOCK));
  for (std::uint64_t i = 0; i < setting.number; ++i) {
    scribbler.write();
    if (i % 8 == 0) scribbler.call();
    if (i % 64 == 0) setting.sender.emit(1 + scribbler.next() % kBurst);
  }
  scribbler.unmap_all();
  const auto stats = ring.stats();
  std::printf("received %llu sent %llu, disbelieved: tail %llu buffer %llu head %llu slot %llu\n",
              static_cast<unsigned long long>(stats.rx_packets),
              static_cast<unsigned long long>(stats.tx_packets),
              static_cast<unsigned long long>(stats.rx_bad_tail),
              static_cast<unsigned long long>(stats.rx_bad_buffer),
              static_cast<unsigned long long>(stats.tx_bad_head),
              static_cast<unsigned long long>(stats.tx_bad_slot));
  expect(stats.rx_packets > 0 && stats.tx_packets > 0, "nothing was received, or nothing sent");
  expect(stats.rx_bad_tail > 0 && stats.rx_bad_buffer > 0 && stats.tx_bad_head > 0 &&
             stats.tx_bad_slot > 0,
         "something that should be disbelieved never came");
  // Reset, it is as good as new.
  ring.reset();
  ring.set_mode(ZCL_MODE_RING);
  zcl::user::wait_for_reception();
  while (ring.wait(POLLIN, 200) == POLLIN) ring.rx().release(ring.rx().available().size());
  expect_traffic(ring, setting.sender);
}

// Copies, moves and parts of mappings.

void mappings(const Setting& setting) {
  Ring ring(ring_node(setting.interface), {.buffer_bytes = ZCL_BUFFER_4K});
  ring.set_mode(ZCL_MODE_RING);
  expect_traffic(ring, setting.sender);
  // A child inherits them; what it writes the parent sees; its end changes nothing.
  const pid_t child = check("fork", ::fork());
  if (child == 0) {
    ring.buffer(0)[0] = std::byte{0x5a};
    ::_exit(ring.page().rx_slots == ZCL_DEFAULT_RX_SLOTS ? 0 : 1);
  }
  check("waitpid", ::waitpid(child, nullptr, 0));
  expect(ring.buffer(0)[0] == std::byte{0x5a}, "the child has a pool of its own");
  expect_traffic(ring, setting.sender);
  // Moved, and cut in the middle.
  Mapping second(ring.file(), ZCL_MAP_POOL, 8 * kPage);
  void* const moved = ::mremap(second.data(), 8 * kPage, 8 * kPage, MREMAP_MAYMOVE | MREMAP_FIXED,
                               second.data() - (1UL << 30));
  expect(moved != MAP_FAILED, "mremap to another place");
  expect(static_cast<std::byte*>(moved)[0] == std::byte{0x5a}, "moved: other contents");
  check("munmap", ::munmap(static_cast<std::byte*>(moved) + 2 * kPage, 3 * kPage));
  expect(static_cast<std::byte*>(moved)[0] == std::byte{0x5a}, "cut: other contents");
  expect(std::memcmp(static_cast<std::byte*>(moved) + 6 * kPage, ring.buffer(6).data(), kPage) == 0,
         "cut: the end shows something else");
  check("munmap", ::munmap(moved, 8 * kPage));
  // A packet's mapping, shared with a child: its slot comes back with the last of the two.
  setting.sender.emit(2);
  expect(ring.wait(POLLIN, 2000) == POLLIN, "no packet");
  const std::uint32_t tail = ring.page().rxq.tail;
  {
    const Mapping packet(ring.file(), ZCL_MAP_PACKET, 4 * kPage, PROT_READ);
    expect(packet.data()[12] == std::byte{0x88}, "it is not the packet that was sent");
    expect_errno(EACCES, "mprotect of a packet to writable",
                 [&] { return ::mprotect(packet.data(), kPage, PROT_READ | PROT_WRITE); });
    const Mapping next(ring.file(), ZCL_MAP_PACKET, 4 * kPage, PROT_READ);
    const pid_t holder = check("fork", ::fork());
    if (holder == 0) {
      ::pause();
      ::_exit(0);
    }
    check("munmap", ::munmap(packet.data(), kPage));  // a part: the rest still holds it
    expect(ring.page().rxq.tail == tail, "a slot came back while its packet is mapped");
    ::kill(holder, SIGKILL);
    check("waitpid", ::waitpid(holder, nullptr, 0));
    expect(ring.page().rxq.tail == tail, "a slot came back with the child");
  }
  expect(ring.page().rxq.tail == tail + 2, "the slots did not come back");
}

// Deaths.

void killed(const Setting& setting) {
  for (const std::string how : {"poll", "read", "busy", "packet"}) {
    const pid_t child = check("fork", ::fork());
    if (child == 0) {
      Ring ring(ring_node(setting.interface), {.buffer_bytes = ZCL_BUFFER_4K});
      ring.set_mode(ZCL_MODE_RING);
      void* packet = nullptr;
      for (;;) {
        std::byte bytes[64];
        if (how == "poll") ring.wait(POLLIN);
        if (how == "read" && ::read(ring.file().get(), bytes, sizeof bytes) < 0) ::_exit(1);
        if (how == "busy") ring.sync(ZCL_SYNC_RX | ZCL_SYNC_BUSY);
        if (how == "packet" && packet != MAP_FAILED) {
          packet = ::mmap(nullptr, kPage, PROT_READ, MAP_SHARED, ring.file().get(), ZCL_MAP_PACKET);
        }
        ring.rx().release(ring.rx().available().size());
      }
    }
    for (int i = 0; i < 50; ++i) {
      setting.sender.emit(kBurst);
      const timespec moment{0, 1'000'000};
      ::nanosleep(&moment, nullptr);
    }
    ::kill(child, SIGKILL);
    setting.sender.emit(kBurst);
    int status = 0;
    check("waitpid", ::waitpid(child, &status, 0));
    expect(WIFSIGNALED(status), how + ": it died before it was killed");
    expect_usable(setting);
  }
}

/// The NIC goes while ring, pool and a packet are mapped and somebody sleeps.
void unplugged(const Setting& setting) {
  const std::string device =
      std::filesystem::canonical("/sys/class/net/" + setting.interface + "/device");
  const std::string name = std::filesystem::path(device).filename();
  {
    Ring ring(ring_node(setting.interface), {.buffer_bytes = ZCL_BUFFER_4K});
    ring.set_mode(ZCL_MODE_RING);
    expect_traffic(ring, setting.sender);
    setting.sender.emit(2);
    expect(ring.wait(POLLIN, 2000) == POLLIN, "no packet");
    const Mapping packet(ring.file(), ZCL_MAP_PACKET, kPage, PROT_READ);
    ring.rx().release(2);
    const pid_t child = check("fork", ::fork());
    if (child == 0) {
      const timespec moment{0, 100'000'000};
      ::nanosleep(&moment, nullptr);
      std::ofstream(device + "/driver/unbind") << name << std::flush;
      ::_exit(0);
    }
    const short events = ring.wait(POLLIN, 20000);
    expect((events & POLLHUP) != 0, "no POLLHUP when the NIC went: " + std::to_string(events));
    check("waitpid", ::waitpid(child, nullptr, 0));
    std::byte bytes[64];
    expect_errno(ENODEV, "sync", [&] { return ring.sync(ZCL_SYNC_RX); });
    expect_errno(ENODEV, "read", [&] { return ::read(ring.file().get(), bytes, sizeof bytes); });
    expect_errno(ENODEV, "map", [&] {
      return reinterpret_cast<long>(
          ::mmap(nullptr, kPage, PROT_READ, MAP_SHARED, ring.file().get(), ZCL_MAP_POOL));
    });
    // What is mapped stays.
    for (std::uint32_t i = 0; i < ring.buffers(); ++i) ring.buffer(i)[0] = std::byte{1};
    expect(packet.data()[0] == std::byte{1} || packet.data()[12] == std::byte{0x88},
           "the packet's page changed");
    expect(ring.page().magic == ZCL_RING_MAGIC, "the ring page changed");
  }
  std::ofstream("/sys/bus/pci/drivers_probe") << name << std::flush;
}

using Case = void (*)(const Setting&);
const std::map<std::string, Case> kCases = {
    {"scribble", scribble}, {"mappings", mappings}, {"killed", killed}, {"unplugged", unplugged}};

void fill(BurstSender& sender) {
  std::uint8_t frame[64] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 9, 0x88, 0xb5};
  for (std::size_t slot = 0; slot < BurstSender::kSlots; ++slot) {
    frame[14] = static_cast<std::uint8_t>(slot);
    sender.set_frame(slot, frame, sizeof frame);
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 4) {
    std::fputs("usage: ring_hostile SENDER INTERFACE CASE [NUMBER]\n", stderr);
    return 2;
  }
  return zcl::user::run_program("ring_hostile", [argc, argv] {
    BurstSender sender(argv[1]);
    fill(sender);
    zcl::user::wait_for_reception();
    kCases.at(argv[3])({sender, argv[2], argc > 4 ? std::stoull(argv[4]) : 0});
    return 0;
  });
}
