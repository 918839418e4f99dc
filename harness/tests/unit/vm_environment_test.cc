// SPDX-License-Identifier: MIT
// A QEMU that is missing or too old, a monitor that speaks otherwise, an image that can be read.
#include <archive.h>
#include <archive_entry.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "harness/base/error.hh"
#include "harness/vm/initramfs.hh"
#include "harness/vm/kernel_package.hh"
#include "harness/vm/monitor_text.hh"
#include "harness/vm/qemu_binary.hh"
#include "harness/vm/qmp_client.hh"

namespace zcl::vm {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

template <typename Call>
std::string message_of(Call call) {
  try {
    call();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST(QemuBinary, MissingIsTold) {
  ::setenv("PATH", "/nonexistent", 1);
  EXPECT_THAT(message_of([] { (void)qemu_binary(); }), HasSubstr("is not installed: run `make"));
}

TEST(QemuBinary, TooOldIsTold) {
  char folder[] = "/tmp/zcl-test-XXXXXX";
  ASSERT_NE(::mkdtemp(folder), nullptr);
  const auto fake = std::filesystem::path(folder) / "qemu-system-x86_64";
  std::ofstream(fake) << "#!/bin/sh\necho 'QEMU emulator version 6.2.0 (old)'\n";
  std::filesystem::permissions(fake, std::filesystem::perms(0755));
  ::setenv("PATH", (std::string(folder) + ":/usr/bin:/bin").c_str(), 1);
  EXPECT_THAT(message_of([] { (void)qemu_binary(); }),
              HasSubstr("is version 6.2.0 (old), and 7.2 or newer is needed"));
  std::filesystem::remove_all(folder);
}

TEST(QemuBinary, ComparesVersionsAsNumbers) {
  EXPECT_TRUE(is_new_enough("7.2.22 (Debian)"));
  EXPECT_TRUE(is_new_enough("10.0.1"));
  EXPECT_FALSE(is_new_enough("7.1.9"));
  EXPECT_FALSE(is_new_enough("nonsense"));
}

TEST(KernelPackage, AnUnknownSeriesListsWhatThereIs) {
  EXPECT_THAT(message_of([] { (void)kernel_package("2.4"); }),
              HasSubstr("no kernel series \"2.4\"; there are: 6.1"));
}

TEST(Monitor, RegistersAreRead) {
  const auto registers = parse_registers(
      "CPU#0\r\nRAX=1 RSP=ffffc900003bbd48\r\nRIP=ffffffff81a592eb RFL=00000246 [---Z-P-] CPL=3 "
      "II=0 A20=1\r\n"
      "CR0=80050033 CR2=00007f CR3=000000000487c000 CR4=00001000\r\n");
  EXPECT_EQ(registers.instruction_pointer, 0xffffffff81a592ebU);
  EXPECT_EQ(registers.stack_pointer, 0xffffc900003bbd48U);
  EXPECT_EQ(registers.cr3, 0x487c000U);
  EXPECT_TRUE(registers.user_mode);
  EXPECT_EQ(registers.address_space().levels, 5);
  EXPECT_THROW((void)parse_registers("RIP=zz"), EnvironmentError);
}

TEST(Monitor, AWordIsRead) {
  EXPECT_EQ(parse_memory_word("00000000fed00000: 0x8086a201\r\n"), 0x8086a201U);
  EXPECT_THROW((void)parse_memory_word("Cannot access memory\r\n"), EnvironmentError);
}

TEST(Monitor, ABarIsFoundBehindABridge) {
  const auto buses = nlohmann::json::parse(R"([{"devices": [
    {"qdev_id": "port0", "regions": [], "pci_bridge": {"devices": [
      {"qdev_id": "nic0", "regions": [
        {"bar": 0, "type": "memory", "address": 4261412864},
        {"bar": 1, "type": "io", "address": 49152},
        {"bar": 2, "type": "memory", "address": -1}]}]}}]}])");
  EXPECT_EQ(find_bar(buses, "nic0", 0), 0xfe000000U);
  EXPECT_EQ(find_bar(buses, "nic0", 1), std::nullopt);
  EXPECT_EQ(find_bar(buses, "nic0", 2), std::nullopt);
  EXPECT_EQ(find_bar(buses, "nic1", 0), std::nullopt);
}

TEST(Cpio, HoldsWhatWasPutIn) {
  const auto image = make_cpio({{"a/b/file", {'x', 'y'}, 0755}});
  EXPECT_EQ(image, make_cpio({{"a/b/file", {'x', 'y'}, 0755}}));
  archive* reader = ::archive_read_new();
  ::archive_read_support_format_cpio(reader);
  ASSERT_EQ(::archive_read_open_memory(reader, image.data(), image.size()), ARCHIVE_OK);
  std::vector<std::string> names;
  archive_entry* entry = nullptr;
  while (::archive_read_next_header(reader, &entry) == ARCHIVE_OK) {
    names.emplace_back(::archive_entry_pathname(entry));
    if (names.back() == "a/b/file") {
      EXPECT_EQ(::archive_entry_size(entry), 2);
      EXPECT_EQ(::archive_entry_perm(entry), 0755U);
    }
  }
  ::archive_read_free(reader);
  EXPECT_THAT(names, ElementsAre("dev", "proc", "sys", "tmp", "run", "dev/console", "a", "a/b",
                                 "a/b/file"));
}

class QmpPeer : public ::testing::Test {
 protected:
  void say(const std::string& text) {
    ASSERT_EQ(::write(theirs_.get(), text.data(), text.size()), static_cast<ssize_t>(text.size()));
  }
  static base::Deadline soon() { return {"test", std::chrono::seconds(30)}; }

  std::pair<base::FileDescriptor, base::FileDescriptor> ends_ = base::socket_pair();
  base::FileDescriptor theirs_ = std::move(ends_.second);
  QmpClient client_{std::move(ends_.first)};
};

TEST_F(QmpPeer, KeepsEventsThatComeBetween) {
  say("{\"event\": \"STOP\"}\r\n{\"id\": 1, \"return\": {\"a\": 2}}\r\n");
  EXPECT_EQ(client_.execute("anything", {}, soon()).at("a"), 2);
  EXPECT_EQ(client_.take_event()->at("event"), "STOP");
  EXPECT_FALSE(client_.take_event());
}

TEST_F(QmpPeer, TellsRefusalAndEnd) {
  say("{\"id\": 1, \"error\": {\"desc\": \"no such thing\"}}\n");
  EXPECT_THROW((void)client_.execute("anything", {}, soon()), QmpError);
  theirs_.reset();
  EXPECT_THROW((void)client_.execute("anything", {}, soon()), QmpClosed);
  EXPECT_THROW((void)client_.take_event(), QmpClosed);
}

TEST_F(QmpPeer, WaitsForTheEventOfOneDevice) {
  say("{\"event\": \"DEVICE_DELETED\", \"data\": {\"path\": \"/x\"}}\n"
      "{\"event\": \"DEVICE_DELETED\", \"data\": {\"device\": \"nic0\"}}\n");
  EXPECT_EQ(client_.wait_event("DEVICE_DELETED", "nic0", soon()).at("data").at("device"), "nic0");
  const base::Deadline now("test", base::Deadline::Clock::duration::zero());
  EXPECT_THROW((void)client_.wait_event("DEVICE_DELETED", "nic1", now), base::DeadlinePassed);
}

}  // namespace
}  // namespace zcl::vm
