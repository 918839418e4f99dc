// SPDX-License-Identifier: MIT
// Lab 02's driver against a program that asks for everything it should not: ioctls with garbage,
// mappings of any offset and length, partial unmaps, moves, forks and sudden death. Afterwards
// nothing was exposed, written or leaked, and the kernel has nothing to complain about.
#include <gtest/gtest.h>

#include "labs/02_devmem_mmap/host/bench.hh"

namespace zcl::lab02 {
namespace {

constexpr unsigned kBufferPages = 16;
constexpr unsigned kRequests = 400;

/// Values at which range checks go wrong.
std::uint64_t edge(base::RandomStream& random) {
  static constexpr std::uint64_t kEdges[] = {0,
                                             1,
                                             8,
                                             4094,
                                             4095,
                                             4096,
                                             65535,
                                             65536,
                                             0x7fffffff,
                                             0x80000000,
                                             0xfffff000,
                                             0xffffffff,
                                             0x100000000,
                                             kRegionBytes - 8,
                                             kRegionBytes,
                                             0x7fffffffffffffff,
                                             0xfffffffffffff000,
                                             0xffffffffffffffff};
  const auto pick = random.below(std::size(kEdges) + 1);
  return pick == std::size(kEdges) ? random.next() : kEdges[pick];
}

std::string little_endian(std::uint64_t value, unsigned bytes) {
  base::Bytes digits;
  for (unsigned i = 0; i < bytes; ++i) digits.push_back(static_cast<std::uint8_t>(value >> 8 * i));
  return to_hex(digits);
}

/// One request of the hostile program; most are refused, which is nobody's business here.
class HostileProgram {
 public:
  HostileProgram(Probe& probe, base::RandomStream& random, std::string file)
      : probe_(probe), random_(random), file_(std::move(file)) {}

  void act() {
    switch (random_.below(8)) {
      case 0:
        return send_garbage();
      case 1:
        return acquire();
      case 2:
        return copy();
      case 3:
        return change_mapping();
      case 4:
        return read_somewhere();
      default:
        return map();
    }
  }

  void fork_and_kill() {
    const auto child = probe_.ask("fork");
    if (child.ok) probe_.ask("kill " + child.text);
  }

 private:
  struct View {
    std::uint64_t address;
    std::uint64_t bytes;
  };

  void send_garbage() {
    // Directions, sizes and numbers of the driver's own ioctls and of none.
    static constexpr std::uint64_t kCommands[] = {0xc0187101, 0x40187102, 0x40187103,
                                                  0x7104,     0x7105,     0xffffffff};
    const auto command = to_hex(kCommands[random_.below(std::size(kCommands))]);
    if (random_.below(2) == 0) {
      probe_.ask("ioctl_number " + file_ + " " + command + " " + to_hex(edge(random_)));
    } else {
      probe_.ask("ioctl " + file_ + " " + command + " " + to_hex(random_.bytes(64)));
    }
  }

  void acquire() {
    probe_.ask("ioctl " + file_ + " 0x40187102 " + little_endian(random_.below(3), 4) +
               little_endian(edge(random_), 4) + little_endian(edge(random_), 4) +
               little_endian(random_.below(4) == 0 ? 1 : 0, 4) + little_endian(edge(random_), 8));
  }

  void copy() {
    probe_.ask("ioctl " + file_ + " 0x40187103 " + little_endian(edge(random_), 8) +
               little_endian(edge(random_), 8) + little_endian(edge(random_), 8));
  }

  void map() {
    static constexpr const char* kAccess[] = {"r shared",   "r private", "rw shared",
                                              "rw private", "rx shared", "w shared"};
    const auto offset = random_.below(5) << 32 | (edge(random_) & 0xfffff000);
    const auto bytes = (1 + random_.below(2 * kBufferPages)) * kPage;
    const auto answer =
        probe_.ask("map " + file_ + " " + to_hex(offset) + " " + std::to_string(bytes) + " " +
                   kAccess[random_.below(std::size(kAccess))]);
    if (answer.ok) views_.push_back({std::stoull(answer.text, nullptr, 16), bytes});
  }

  void change_mapping() {
    if (views_.empty()) return;
    auto& view = views_[random_.below(views_.size())];
    const auto page = random_.below(view.bytes / kPage) * kPage;
    const auto at = to_hex(view.address + page);
    switch (random_.below(4)) {
      case 0:
        probe_.ask("unmap " + at + " 4096");
        break;
      case 1:
        probe_.ask("protect " + at + " 4096 rwx");
        break;
      case 2:
        probe_.ask("touch " + at);
        break;
      default: {
        const auto larger = view.bytes + random_.below(64) * kPage;
        const auto answer = probe_.ask("remap " + to_hex(view.address) + " " +
                                       std::to_string(view.bytes) + " " + std::to_string(larger));
        if (answer.ok) view = {std::stoull(answer.text, nullptr, 16), larger};
      }
    }
  }

  void read_somewhere() {
    probe_.ask("read " + file_ + " " + to_hex(edge(random_) >> 1) + " " +
               std::to_string(random_.below(70000)) + " " + to_hex(edge(random_)));
  }

  Probe& probe_;
  base::RandomStream& random_;
  std::string file_;
  std::vector<View> views_;
};

void expect_nothing_exposed(vm::Machine& machine, int pid, base::ByteView secret) {
  const Pause pause(machine);
  vm::for_each_user_page(machine.memory(), space_of(machine, pid), [](const vm::Translation& page) {
    EXPECT_FALSE(page.physical_address >= kSecret &&
                 page.physical_address < kRegion + 2 * kRegionBytes)
        << "memory after the region is mapped";
    EXPECT_FALSE(page.writable && page.physical_address >= kRegion &&
                 page.physical_address < kSecret)
        << "the region is writable";
  });
  EXPECT_TRUE(std::ranges::equal(machine.memory().view(kSecret, secret.size()), secret))
      << "memory after the region was written";
}

TEST(Lab02Driver, SurvivesAHostileProgram) {
  const auto lab = lab::find_lab("02");
  const lab::RunOptions options;
  lab::Context context(lab::built_solution(lab, options.kernel), options, "hostile program");
  auto machine = context.start("edu");
  const auto secret = context.random().bytes(kMarkBytes);
  write_reserved(context, machine, kSecret, secret);
  load_driver(context, machine, kBufferPages);
  {
    Probe probe(context, machine);
    HostileProgram program(probe, context.random(), open_file(probe, "/dev/daq0", "rw"));
    for (unsigned i = 0; i < kRequests; ++i) {
      program.act();
      if (i % 100 == 99) {
        program.fork_and_kill();
        expect_nothing_exposed(machine, probe.pid(), secret);
      }
    }
    probe.kill();
  }
  machine.agent().unload_module("daq");
  const auto report = machine.alarming();
  EXPECT_FALSE(report.has_value()) << report->summary << "\n" << report->console_tail;
}

}  // namespace
}  // namespace zcl::lab02
