// SPDX-License-Identifier: MIT
// The whole x-ray on real drivers: what recvfrom and PACKET_MMAP leave behind.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "harness/xray/demonstration.hh"

namespace zcl::xray {
namespace {

using ::testing::HasSubstr;

XrayResult xray(const std::string& nic, const std::string& method, std::size_t length,
                bool init_on_free) {
  XrayOptions options;
  options.nic = nic;
  options.method = method;
  options.length = length;
  options.machine.mode = vm::Mode::speed;
  return take_xray(options, init_on_free);
}

std::size_t count_kind(const XrayResult& result, PlaceKind kind) {
  return static_cast<std::size_t>(
      std::count_if(result.census.places.begin(), result.census.places.end(),
                    [&](const Place& place) { return place.kind == kind; }));
}

std::string text_of(const XrayResult& result) {
  return to_text(result.census, result.chains);
}

/// A process's page holds the whole payload, and the walk leads to it.
void expect_user_copy(const XrayResult& result) {
  ASSERT_EQ(count_kind(result, PlaceKind::user), 1U) << text_of(result);
  for (const EvidenceChain& chain : result.chains) {
    if (chain.place.kind != PlaceKind::user) continue;
    EXPECT_TRUE(chain.place.complete);
    ASSERT_EQ(chain.mappings.size(), 1U);
    EXPECT_EQ(chain.mappings[0].task.command, "xray_receiver");
    EXPECT_EQ(chain.mappings[0].translation.physical_address, chain.place.first_byte());
  }
}

class RecvFrom : public ::testing::TestWithParam<bool> {};

TEST_P(RecvFrom, CopiesALargeFrameOnce) {
  const XrayResult result = xray("e1000", "recvfrom", 1000, GetParam());
  EXPECT_EQ(result.census.copies(), 2U) << text_of(result);
  expect_user_copy(result);
  // The driver gave the buffer away with its packet: it lies between buffers of the ring.
  EXPECT_EQ(count_kind(result, PlaceKind::packet) + count_kind(result, PlaceKind::nic_buffer), 1U)
      << text_of(result);
}

TEST_P(RecvFrom, CopiesASmallFrameTwice) {
  // Below the driver's copybreak (256 bytes) the buffer stays in the ring and the packet is copied
  // into a small one of its own, which is free again when the program has its copy: its bytes are
  // stale, and gone where the kernel clears what it frees.
  const bool cleared = GetParam();
  const XrayResult result = xray("e1000", "recvfrom", 100, cleared);
  EXPECT_EQ(result.census.copies(), cleared ? 2U : 3U) << text_of(result);
  EXPECT_EQ(count_kind(result, PlaceKind::free), cleared ? 0U : 1U) << text_of(result);
  expect_user_copy(result);
  ASSERT_EQ(count_kind(result, PlaceKind::nic_buffer), 1U) << text_of(result);
  for (const EvidenceChain& chain : result.chains) {
    if (chain.place.kind != PlaceKind::nic_buffer) continue;
    ASSERT_TRUE(chain.descriptor);
    EXPECT_EQ(chain.descriptor->buffer + 14, chain.place.first_byte()) << "behind the header";
    EXPECT_THAT(chain.place.name, HasSubstr("of net0 (e1000)"));
  }
}

INSTANTIATE_TEST_SUITE_P(InitOnFree, RecvFrom, ::testing::Values(false, true),
                         [](const auto& on) { return on.param ? "on" : "off"; });

TEST(XrayChain, PacketMmapCopiesIntoTheSharedRing) {
  for (const char* method : {"packet_mmap", "packet_mmap_v2"}) {
    const XrayResult result = xray("e1000", method, 1000, false);
    EXPECT_EQ(result.census.copies(), 2U) << text_of(result);
    ASSERT_EQ(count_kind(result, PlaceKind::shared), 1U) << text_of(result);
    EXPECT_EQ(count_kind(result, PlaceKind::user), 0U) << text_of(result);
  }
}

TEST(XrayChain, FollowsTheRtl8139) {
  const XrayResult result = xray("rtl8139", "recvfrom", 1000, false);
  EXPECT_EQ(result.census.copies(), 2U) << text_of(result);
  expect_user_copy(result);
  EXPECT_EQ(count_kind(result, PlaceKind::packet) + count_kind(result, PlaceKind::nic_buffer), 1U)
      << text_of(result);
}

TEST(XrayChain, StandsWithoutTheDescriptorBehindAnIommu) {
  XrayOptions options;
  options.length = 1000;
  options.machine.mode = vm::Mode::speed;
  options.machine.intel_iommu = true;
  const XrayResult result = take_xray(options, false);
  EXPECT_EQ(result.census.copies(), 2U) << text_of(result);
  expect_user_copy(result);
  for (const EvidenceChain& chain : result.chains) EXPECT_FALSE(chain.descriptor);
}

TEST(XrayChain, ReadsTheWholeRingOfARealDriver) {
  for (const char* model : {"e1000", "rtl8139"}) {
    vm::MachineSpec spec;
    spec.mode = vm::Mode::speed;
    spec.nics.push_back({"net0", model, "", {}});
    spec.boot_modules.emplace_back(std::string(model) == "e1000" ? "e1000" : "8139cp");
    vm::Machine machine = vm::Machine::start(spec);
    machine.agent().interface_up(machine.agent().interface_of("net0"));
    machine.pause();
    const auto receive = read_ring(machine, "net0", Direction::receive);
    // The driver's own numbers: 256 in e1000 (E1000_DEFAULT_RXD), 64 in 8139cp (CP_RX_RING_SIZE).
    EXPECT_EQ(receive.size(), std::string(model) == "e1000" ? 256U : 64U);
    for (const NicDescriptor& descriptor : receive) {
      EXPECT_EQ(descriptor.descriptor, receive[0].descriptor + 16 * descriptor.index);
      if (descriptor.index + 1 < receive.size()) {
        EXPECT_TRUE(machine.memory().contains(descriptor.buffer, 1536)) << descriptor.index;
      }
    }
    EXPECT_THROW((void)read_ring(machine, "net1", Direction::receive), UsageError);
  }
}

}  // namespace
}  // namespace zcl::xray
