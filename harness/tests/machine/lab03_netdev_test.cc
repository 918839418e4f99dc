// SPDX-License-Identifier: MIT
// Lab 03's e1000 driver as an ordinary network interface.
#include <gtest/gtest.h>

#include <algorithm>
#include <sstream>

#include "harness/base/random.hh"
#include "harness/tests/machine/fault_corpus.hh"
#include "harness/tests/machine/guest_program.hh"
#include "harness/tests/machine/lab03_modules.hh"
#include "harness/wire/flow.hh"
#include "harness/wire/link.hh"
#include "harness/wire/rate.hh"

namespace zcl::lab03 {
namespace {

using namespace std::chrono_literals;
using base::Deadline;
using wire::Frame;
using wire::MacAddress;

constexpr MacAddress kHost = {2, 0, 0, 0, 0, 1};
constexpr MacAddress kBroadcast = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
constexpr std::uint32_t kHostIp = 0x0a000001;
constexpr std::uint32_t kGuestIp = 0x0a000002;
constexpr std::uint16_t kArp = 0x0806;
constexpr std::uint16_t kIpv4 = 0x0800;
constexpr auto kPatience = 30s;
constexpr std::size_t kLongestFrame = 16124;  ///< the chip's limit, without the checksum

vm::MachineSpec one_card() {
  vm::MachineSpec spec;
  spec.nics = {{.id = "nic", .model = "e1000", .hub = "", .properties = {}}};
  return spec;
}

void expect_quiet(const vm::Machine& machine) {
  const auto report = machine.alarming();
  EXPECT_FALSE(report.has_value()) << report->summary << "\n" << report->console_tail;
}

/// A machine with the driver on card "nic", and our end of its cable.
class Netdev : public testing::Test {
 protected:
  explicit Netdev(const vm::MachineSpec& spec = one_card())
      : machine_(vm::Machine::start(spec)), link_(machine_.take_nic_socket("nic")) {
    load_driver(machine_);
    interface_ = machine_.agent().interface_of("nic");
    control_ = vm::install_guest_program(machine_, "nic_control");
    up();
  }
  ~Netdev() override { expect_quiet(machine_); }

  void up() {
    machine_.agent().interface_up(interface_, "10.0.0.2/24");
    settle();
  }
  /// After anything that writes the receive-control register.
  void settle() {
    vm::wait_for_carrier(machine_, interface_, Deadline("link of the card", kPatience));
    machine_.agent().sleep_ns(vm::kReceptionHold);
  }
  std::string setting(const std::string& name) const {
    return "/sys/class/net/" + interface_ + "/" + name;
  }
  std::uint64_t statistic(const std::string& name) {
    return std::stoull(machine_.agent().get_text(setting("statistics/" + name)));
  }
  vm::ProgramResult control(std::vector<std::string> words) {
    words.insert(words.begin(), control_);
    words.insert(words.begin() + 2, interface_);
    return machine_.agent().run({.argv = words});
  }
  std::uint64_t counter(const std::string& name) {
    std::istringstream lines(control({"stats"}).output);
    std::string key;
    std::uint64_t value = 0;
    while (lines >> key >> value) {
      if (key == name) return value;
    }
    ADD_FAILURE() << "no counter " << name;
    return 0;
  }

  /// Waits for a frame that `wanted` takes.
  Frame expect_frame(const std::string& what, const std::function<bool(base::ByteView)>& wanted) {
    const Deadline deadline(what, kPatience);
    for (;;) {
      auto frame = link_.receive(deadline);
      if (!frame) {
        ADD_FAILURE() << "no " << what;
        return {};
      }
      if (wanted(frame->bytes)) return *frame;
    }
  }
  MacAddress arp() {
    base::Bytes body = {0, 1, 8, 0, 6, 4, 0, 1};
    body.insert(body.end(), kHost.begin(), kHost.end());
    body.insert(body.end(), {10, 0, 0, 1});
    body.insert(body.end(), 6, 0);
    body.insert(body.end(), {10, 0, 0, 2});
    link_.send(wire::make_frame(kBroadcast, kHost, kArp, body).bytes,
               Deadline("ARP request", kPatience));
    const auto reply = expect_frame("ARP reply", [](base::ByteView bytes) {
      return wire::ethertype(bytes) == kArp && bytes.size() >= 60 && bytes[21] == 2;
    });
    MacAddress guest{};
    if (reply.bytes.size() >= 28) std::copy_n(reply.bytes.begin() + 22, 6, guest.begin());
    return guest;
  }
  /// An answer to a datagram nobody listens for: ICMP "port unreachable".
  void expect_answer(const MacAddress& guest) {
    link_.send(
        wire::make_udp_frame(guest, kHost, kHostIp, kGuestIp, 4000, 4001, base::Bytes(20, 1)).bytes,
        Deadline("datagram", kPatience));
    expect_frame("ICMP port unreachable", [](base::ByteView bytes) {
      return bytes.size() > 35 && wire::ethertype(bytes) == kIpv4 && bytes[23] == 1 &&
             bytes[34] == 3;
    });
  }

  vm::GuestProcess start_echo() {
    const auto program = vm::install_guest_program(machine_, "echo_frames");
    auto echo = machine_.agent().start({.argv = {program, interface_}});
    EXPECT_EQ(echo.read_line(Deadline("echo_frames is ready", kPatience)), "ready");
    return echo;
  }
  vm::GuestProcess start_ring_echo(std::vector<std::string> words) {
    words.insert(words.begin(), {vm::install_guest_program(machine_, "ring_echo"), interface_});
    auto echo = machine_.agent().start({.argv = words});
    EXPECT_EQ(echo.read_line(Deadline("ring_echo is ready", kPatience)), "ready");
    return echo;
  }
  /// Sends a frame of each length, with few enough on their way that the card has room for them
  /// all.
  void send(const std::vector<std::size_t>& lengths) {
    constexpr std::uint64_t kOnTheirWay = 6;
    const auto lost = account_.totals().lost();
    for (const auto length : lengths) {
      const auto sequence = account_.totals().offered;
      account_.offered(sequence, length);
      link_.send(wire::make_flow_frame(flow_, sequence, length).bytes,
                 Deadline("sending a flow", kPatience));
      if (sequence < lost + kOnTheirWay) continue;
      take(kPatience, sequence - lost - kOnTheirWay);
      if (account_.totals().delivered < sequence - lost - kOnTheirWay) {
        FAIL() << "frames do not come back: " << account_.totals().text();
      }
    }
  }
  void take(std::chrono::seconds time, std::uint64_t delivered = ~std::uint64_t{0}) {
    const Deadline deadline("frames of a flow", time);
    while (account_.totals().delivered < delivered) {
      const auto frame = link_.receive(deadline);
      if (!frame) return;
      account_.arrived(frame->bytes);
      if (deadline.passed()) return;
    }
  }
  void expect_all_echoed() {
    take(kPatience, account_.totals().offered);
    const auto& totals = account_.totals();
    std::string missing;
    for (const auto sequence : account_.missing(10)) missing += " " + std::to_string(sequence);
    EXPECT_EQ(totals.delivered, totals.offered) << totals.text() << ", missing" << missing;
    EXPECT_EQ(totals.corrupted + totals.duplicates + totals.reordered, 0U) << totals.text();
  }
  std::vector<std::size_t> random_lengths(std::size_t count, std::size_t longest) {
    std::vector<std::size_t> lengths(count);
    for (auto& length : lengths) length = 60 + random_.below(longest - 60 + 1);
    return lengths;
  }

  vm::Machine machine_;
  wire::Link link_;
  std::string interface_;
  std::string control_;
  wire::FlowSpec flow_{.seed = 7, .destination = kBroadcast, .source = kHost};
  wire::FlowAccount account_{flow_};
  base::RandomStream random_{7, "frame lengths"};
};

TEST_F(Netdev, AnswersArpAndUdp) {
  EXPECT_EQ(control({"driver"}).output, "zcl_e1000\n");
  EXPECT_EQ(machine_.agent().get_text(setting("speed")), "1000");
  expect_answer(arp());
}

TEST_F(Netdev, EchoesFramesOfEveryLength) {
  machine_.agent().write_text(setting("mtu"), "16110");
  auto echo = start_echo();
  // Around every edge between buffers, and a sample of all others.
  std::vector<std::size_t> lengths = {60, 61, kLongestFrame - 1, kLongestFrame};
  for (std::size_t edge = 2048; edge < kLongestFrame; edge += 2048) {
    for (const auto length : {edge - 1, edge, edge + 1}) lengths.push_back(length);
  }
  for (std::size_t length = 62; length < kLongestFrame; length += 97) lengths.push_back(length);
  send(lengths);
  expect_all_echoed();
}

TEST_F(Netdev, RefusesAnMtuBeyondTheChip) {
  EXPECT_THROW(machine_.agent().write_text(setting("mtu"), "16111"), vm::GuestError);
  machine_.agent().write_text(setting("mtu"), "68");
  machine_.agent().write_text(setting("mtu"), "1500");
  expect_answer(arp());
}

TEST_F(Netdev, GoesUpAndDownTwentyTimes) {
  for (int i = 0; i < 20; ++i) {
    machine_.agent().interface_down(interface_);
    machine_.agent().interface_up(interface_);
  }
  settle();
  expect_answer(arp());
}

TEST_F(Netdev, FollowsItsLink) {
  for (int i = 0; i < 3; ++i) {
    machine_.set_link("nic", false);
    const Deadline deadline("carrier goes", kPatience);
    while (machine_.agent().get_text(setting("carrier")) != "0") {
      ASSERT_FALSE(deadline.passed());
      machine_.agent().sleep_ns(100'000'000);
    }
    machine_.set_link("nic", true);
    settle();
    expect_answer(arp());
  }
  EXPECT_TRUE(control({"renegotiate"}).ok());
  settle();
  expect_answer(arp());
}

TEST_F(Netdev, ChangesRingsUnderTraffic) {
  auto echo = start_echo();
  for (const char* size : {"64", "4096", "100", "256"}) {
    EXPECT_TRUE(control({"ring", size, size}).ok());
    settle();
    send(random_lengths(300, 1514));
    expect_all_echoed();
  }
  EXPECT_EQ(control({"ring"}).output, "256 256\n");
}

TEST_F(Netdev, CountsNeverGoBack) {
  std::uint64_t received = 0, on_wire = 0;
  for (int i = 0; i < 3; ++i) {
    auto echo = start_echo();
    send(random_lengths(50, 1514));
    expect_all_echoed();
    EXPECT_GE(statistic("rx_packets"), received + 50);
    EXPECT_GE(counter("good_rx_frames"), on_wire + 50);
    received = statistic("rx_packets");
    on_wire = counter("good_rx_frames");
    machine_.agent().interface_down(interface_);
    machine_.agent().interface_up(interface_);
    settle();
  }
}

TEST_F(Netdev, FiltersMulticastByItsTable) {
  const std::string group = "01:00:5e:01:02:03";
  const MacAddress group_address = {1, 0, 0x5e, 1, 2, 3};
  const auto offer = [&](const MacAddress& to) {
    const auto before = statistic("rx_packets");
    for (int i = 0; i < 5; ++i) {
      link_.send(wire::make_frame(to, kHost, 0x88b5, base::Bytes(46, 1)).bytes,
                 Deadline("frame", kPatience));
    }
    arp();  // these came before the answer
    return statistic("rx_packets") - before;
  };
  const auto others = offer(group_address);
  EXPECT_LT(others, 5U);
  EXPECT_TRUE(control({"multicast", group}).ok());
  EXPECT_GE(offer(group_address), 5U);
  const MacAddress stranger = {2, 0, 0, 0, 0, 9};
  EXPECT_LT(offer(stranger), 5U);
  machine_.agent().write_text(setting("flags"), "0x1103");  // up, broadcast, multicast, promiscuous
  settle();
  EXPECT_GE(offer(stranger), 5U);
}

TEST_F(Netdev, ForwardsOutOfTheRing) {
  for (const std::string buffer : {"2048", "4096"}) {
    auto echo = start_ring_echo({buffer});
    settle();  // buffers of another size: new rings
    send(random_lengths(300, kLongestFrame));
    expect_all_echoed();
    echo.close_input();
    EXPECT_EQ(echo.wait(Deadline("end of ring_echo", kPatience)).output.substr(0, 8), "ring 300");
    settle();
  }
  expect_answer(arp());
}

/// Whatever the mode, and while it changes, every frame is received once and sent once.
TEST_F(Netdev, LosesNothingWhileTheModeChanges) {
  machine_.agent().write_text(setting("mtu"), "16110");
  auto echo = start_ring_echo({"2048", "7"});
  send(random_lengths(1500, 1514));
  send(random_lengths(500, 9000));
  take(kPatience, account_.totals().offered);
  const auto& totals = account_.totals();
  EXPECT_EQ(totals.delivered, 2000U) << totals.text();
  EXPECT_EQ(totals.corrupted + totals.duplicates, 0U) << totals.text();
  echo.close_input();
  const auto result = echo.wait(Deadline("end of ring_echo", kPatience));
  EXPECT_TRUE(result.output.ends_with("full 0 bad 0\n")) << result.output << result.error;
  settle();
  expect_answer(arp());
}

TEST_F(Netdev, ChangesRingsUnderAProgram) {
  auto echo = start_ring_echo({"2048"});
  for (const char* size : {"64", "1024", "256"}) {
    EXPECT_TRUE(control({"ring", size, size}).ok());
    machine_.agent().interface_down(interface_);
    machine_.agent().interface_up(interface_);
    settle();
    send(random_lengths(300, 1514));
    expect_all_echoed();
  }
}

TEST_F(Netdev, IsUnpluggedUnderAProgram) {
  auto echo = start_ring_echo({"2048"});
  send(random_lengths(100, 1514));
  machine_.unplug("nic");
  EXPECT_TRUE(echo.wait(Deadline("end of ring_echo", kPatience)).ok());
  machine_.agent().unload_module("zcl_e1000");
}

TEST_F(Netdev, IsUnpluggedUnderTraffic) {
  auto echo = start_echo();
  send(random_lengths(200, 1514));
  machine_.unplug("nic");
  EXPECT_FALSE(machine_.agent().run({.argv = {control_, "driver", interface_}}).ok());
  machine_.agent().unload_module("zcl_e1000");
  machine_.agent().unload_module("zcl_ring");
}

/// Without memory for what would take a received page's place, the packet is dropped and its page
/// stays in the ring: dropped packets are counted, all others are whole, and with memory back
/// nothing is missing.
TEST_F(Netdev, SurvivesWithoutMemoryForItsRing) {
  const vm::testing_faults::BuiltFault starving("starve_page_pool");
  machine_.agent().put_file("/tmp/starve.ko", base::read_file(starving.object()));
  machine_.agent().write_text(setting("mtu"), "16110");
  auto echo = start_echo();
  for (const char* every : {"every=1", "every=5"}) {
    const auto lost_before = account_.totals().lost();
    const auto dropped_before = statistic("rx_dropped");
    machine_.agent().load_module("/tmp/starve.ko", every);
    for (const auto length : random_lengths(400, kLongestFrame)) {
      const auto sequence = account_.totals().offered;
      account_.offered(sequence, length);
      link_.send(wire::make_flow_frame(flow_, sequence, length).bytes,
                 Deadline("sending a flow", kPatience));
      if (sequence % 8 == 7) machine_.agent().sleep_ns(5'000'000);  // the ring always has room
    }
    machine_.agent().sleep_ns(vm::kReceptionHold);
    machine_.agent().unload_module("starve_page_pool");
    take(1s);
    const auto lost = account_.totals().lost() - lost_before;
    EXPECT_GT(lost, 100U) << account_.totals().text();
    EXPECT_EQ(statistic("rx_dropped") - dropped_before, lost);
    EXPECT_EQ(statistic("rx_missed_errors"), 0U);
    send(random_lengths(300, kLongestFrame));
    take(kPatience, account_.totals().offered - lost_before - lost);
    EXPECT_EQ(account_.totals().lost(), lost_before + lost) << account_.totals().text();
    EXPECT_EQ(account_.totals().corrupted, 0U) << account_.totals().text();
  }
}

vm::MachineSpec with_iommu() {
  auto spec = one_card();
  spec.intel_iommu = true;
  return spec;
}

class BehindAnIommu : public Netdev {
 protected:
  BehindAnIommu() : Netdev(with_iommu()) {}
};

TEST_F(BehindAnIommu, EchoesFrames) {
  machine_.agent().write_text(setting("mtu"), "16110");
  auto echo = start_echo();
  send(random_lengths(300, kLongestFrame));
  expect_all_echoed();
  expect_answer(arp());
}

TEST_F(BehindAnIommu, ForwardsOutOfTheRing) {
  auto echo = start_ring_echo({"2048"});
  send(random_lengths(300, kLongestFrame));
  expect_all_echoed();
}

/// Two of our cards on one cable.
class Pair : public testing::Test {
 protected:
  Pair() : machine_(vm::Machine::start(two_cards())) {
    load_driver(machine_);
    control_ = vm::install_guest_program(machine_, "nic_control");
    a_ = machine_.agent().interface_of("a");
    b_ = machine_.agent().interface_of("b");
  }
  ~Pair() override { expect_quiet(machine_); }

  static vm::MachineSpec two_cards() {
    vm::MachineSpec spec;
    spec.boot_modules = {"pktgen"};
    spec.nics = {{.id = "a", .model = "e1000", .hub = "lan", .properties = {}},
                 {.id = "b", .model = "e1000", .hub = "lan", .properties = {}}};
    return spec;
  }
  void offloads(const std::string& on) {
    for (const auto& interface : {a_, b_}) {
      for (const char* which : {"tx", "sg", "rx"}) {
        EXPECT_TRUE(machine_.agent().run({.argv = {control_, "set", interface, which, on}}).ok());
      }
    }
  }
  void expect_transfer(std::vector<std::string> words) {
    words.insert(words.begin(), {vm::install_guest_program(machine_, "tcp_transfer"), a_, b_});
    const auto result = machine_.agent().run({.argv = words, .time_limit = 120s});
    EXPECT_EQ(result.output, "intact 4194304\n") << result.error;
    // The namespace gives the card back some time after the program has ended.
    b_ = machine_.agent().interface_of("b");
  }

  vm::Machine machine_;
  std::string control_;
  std::string a_;
  std::string b_;
};

TEST_F(Pair, TransfersByTcpWithOffloads) {
  expect_transfer({"4"});
  expect_transfer({"4", "sendfile"});
}

TEST_F(Pair, TransfersByTcpWithoutOffloads) {
  offloads("0");
  expect_transfer({"4"});
  expect_transfer({"4", "sendfile"});
}

TEST_F(Pair, TransfersLongFrames) {
  for (const auto& interface : {a_, b_}) {
    machine_.agent().write_text("/sys/class/net/" + interface + "/mtu", "9000");
  }
  expect_transfer({"4", "sendfile"});
}

/// With bus mastering off the card cannot read its descriptors: it sends nothing and reports
/// nothing.
TEST_F(Pair, RecoversFromATransmitterThatHangs) {
  constexpr std::uint64_t kWatchdog = 15'000'000'000;  // more than twice the driver's limit
  auto& agent = machine_.agent();
  for (const auto& interface : {a_, b_}) agent.interface_up(interface);
  vm::wait_for_carrier(machine_, b_, Deadline("link of the card", kPatience));
  agent.sleep_ns(vm::kReceptionHold);
  const auto send = [&] {
    EXPECT_TRUE(agent.run({.argv = {control_, "broadcast", b_, "600"}}).ok());
    agent.sleep_ns(kWatchdog);
  };
  // Vendor and device (read-only), and the command register: memory space, but no bus master.
  constexpr std::uint8_t kNoMaster[] = {0x86, 0x80, 0x0e, 0x10, 0x03, 0x00};
  agent.put_file("/sys/class/net/" + b_ + "/device/config", kNoMaster);
  send();
  EXPECT_EQ(agent.get_text("/sys/class/net/" + b_ + "/statistics/tx_errors"), "1");
  send();
  EXPECT_GE(std::stoull(agent.get_text("/sys/class/net/" + a_ + "/statistics/rx_packets")), 600U);
}

TEST_F(Pair, ComesAndGoesWithoutALeak) {
  constexpr int kRounds = 10;
  auto& agent = machine_.agent();
  const auto free_kib = [&] {
    agent.sleep_ns(vm::kReceptionHold);  // what is freed later, is
    agent.write_text("/proc/sys/vm/drop_caches", "3");
    const auto text = agent.get_text("/proc/meminfo");
    return std::stol(text.substr(text.find("MemFree:") + 8));
  };
  long before = 0;
  for (int round = 0; round < kRounds; ++round) {
    agent.interface_up(agent.interface_of("a"));
    agent.interface_up(agent.interface_of("b"));
    agent.unload_module("zcl_e1000");
    if (round == 1) before = free_kib();  // the first rounds fill the kernel's caches
    agent.load_module("/tmp/zcl_e1000.ko");
  }
  agent.unload_module("zcl_e1000");
  // Two receive rings are 2 MiB.
  EXPECT_LT(before - free_kib(), 512);
}

/// A burst given to the card with one doorbell arrives as a whole, before any driver can run: most
/// of it finds no descriptors.
TEST_F(Pair, CountsAnOverflowAndGoesOn) {
  constexpr std::uint64_t kBurst = 32;
  auto& agent = machine_.agent();
  for (const auto& interface : {a_, b_}) {
    agent.write_text("/sys/class/net/" + interface + "/mtu", "16110");
    ASSERT_TRUE(agent.run({.argv = {control_, "ring", interface, "64", "256"}}).ok());
    agent.interface_up(interface);
  }
  vm::wait_for_carrier(machine_, a_, Deadline("link of the card", kPatience));
  agent.sleep_ns(vm::kReceptionHold);
  const auto statistic = [&](const char* name) {
    return std::stoull(agent.get_text("/sys/class/net/" + a_ + "/statistics/" + name));
  };
  agent.load_stock_module("pktgen");
  agent.write_text("/proc/net/pktgen/kpktgend_0", "add_device " + b_);
  for (const char* setting : {"count 32", "pkt_size 16000", "clone_skb 32", "burst 32", "delay 0",
                              "dst_mac ff:ff:ff:ff:ff:ff"}) {
    agent.write_text("/proc/net/pktgen/" + b_, setting);
  }
  for (std::uint64_t round = 0; round < 3; ++round) {
    const auto received = statistic("rx_packets");
    const auto missed = statistic("rx_missed_errors");
    agent.write_text("/proc/net/pktgen/pgctrl", "start\n");
    const auto lost = statistic("rx_missed_errors") - missed;
    EXPECT_GE(lost, kBurst / 2);
    EXPECT_LT(lost, kBurst);
    // Others (the kernel's own) may have come meanwhile.
    EXPECT_GE(statistic("rx_packets") - received, kBurst - lost);
  }
}

}  // namespace
}  // namespace zcl::lab03
