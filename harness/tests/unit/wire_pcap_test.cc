// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>

#include "harness/base/error.hh"
#include "harness/base/random.hh"
#include "harness/wire/pcap_file.hh"

namespace zcl::wire {
namespace {

using base::Bytes;

class PcapFile : public testing::Test {
 protected:
  PcapFile()
      : path_(testing::TempDir() + "zcl_" +
              testing::UnitTest::GetInstance()->current_test_info()->name() + ".pcap") {}
  ~PcapFile() override { std::filesystem::remove(path_); }

  void write(const Bytes& content) const { base::write_file_atomically(path_, content); }
  const std::string path_;
};

void put32(Bytes& bytes, std::uint32_t value, bool big_endian) {
  for (int i = 0; i < 4; ++i) {
    bytes.push_back(static_cast<std::uint8_t>(value >> (big_endian ? 24 - 8 * i : 8 * i)));
  }
}

/// A capture of one 60-byte frame at 5 s and `fraction` units.
Bytes capture(std::uint32_t magic, bool big_endian, std::uint32_t link_type = 1) {
  Bytes bytes;
  put32(bytes, magic, big_endian);
  put32(bytes, big_endian ? 0x00020004 : 0x00040002, big_endian);
  put32(bytes, 0, big_endian);
  put32(bytes, 0, big_endian);
  put32(bytes, 65535, big_endian);
  put32(bytes, link_type, big_endian);
  put32(bytes, 5, big_endian);
  put32(bytes, 123, big_endian);
  put32(bytes, 60, big_endian);
  put32(bytes, 1514, big_endian);
  bytes.insert(bytes.end(), 60, 0xee);
  return bytes;
}

TEST_F(PcapFile, IsReadInBothByteOrdersAndBothPrecisions) {
  for (const bool big_endian : {false, true}) {
    for (const bool nanoseconds : {false, true}) {
      write(capture(nanoseconds ? 0xa1b23c4d : 0xa1b2c3d4, big_endian));
      PcapReader reader(path_);
      const auto frame = reader.next();
      ASSERT_TRUE(frame);
      EXPECT_EQ(frame->time_ns, 5'000'000'000 + (nanoseconds ? 123U : 123000U));
      EXPECT_EQ(frame->wire_length, 1514U);
      EXPECT_EQ(frame->frame.bytes, Bytes(60, 0xee));
      EXPECT_FALSE(reader.next());
    }
  }
}

TEST_F(PcapFile, WhatIsWrittenIsReadBack) {
  base::RandomStream random(1, "pcap");
  std::vector<Bytes> frames;
  {
    PcapWriter writer(path_);
    for (std::uint64_t i = 0; i < 50; ++i) {
      frames.push_back(random.bytes(60 + random.below(9000)));
      writer.write(1'700'000'000'123'456'789 + i, frames.back());
    }
    writer.flush();
  }
  PcapReader reader(path_);
  for (std::uint64_t i = 0; i < 50; ++i) {
    const auto frame = reader.next();
    ASSERT_TRUE(frame);
    EXPECT_EQ(frame->time_ns, 1'700'000'000'123'456'789 + i);
    EXPECT_EQ(frame->frame.bytes, frames[i]);
  }
  EXPECT_FALSE(reader.next());
}

TEST_F(PcapFile, BadFilesGiveASentence) {
  EXPECT_THROW(PcapReader("/no/such/file.pcap"), UsageError);
  EXPECT_THROW(PcapWriter("/no/such/directory/file.pcap"), EnvironmentError);
  write(Bytes{'n', 'o', ' ', 'c', 'a', 'p', 't', 'u', 'r', 'e'});
  EXPECT_THROW(PcapReader{path_}, UsageError);
  write({});
  EXPECT_THROW(PcapReader{path_}, UsageError);
  write(capture(0xa1b2c3d4, false, 101));  // raw IP
  EXPECT_THROW(PcapReader{path_}, UsageError);
  Bytes cut = capture(0xa1b2c3d4, false);
  cut.pop_back();
  write(cut);
  PcapReader reader(path_);
  EXPECT_THROW(reader.next(), UsageError);
}

TEST_F(PcapFile, AFullDiskIsReported) {
  if (!std::filesystem::exists("/dev/full")) GTEST_SKIP() << "no /dev/full here";
  PcapWriter writer("/dev/full");
  writer.write(0, Bytes(60));
  EXPECT_THROW(writer.flush(), EnvironmentError);
}

TEST_F(PcapFile, AnyDamageGivesFramesOrASentence) {
  base::RandomStream random(5, "damage");
  const Bytes good = capture(0xa1b2c3d4, false);
  for (int i = 0; i < 3000; ++i) {
    Bytes bad = good;
    for (std::uint64_t changes = 1 + random.below(4); changes > 0; --changes) {
      bad[random.below(56)] = static_cast<std::uint8_t>(random.next());
    }
    bad.resize(random.below(bad.size() + 1));
    write(bad);
    try {
      PcapReader reader(path_);
      while (const auto frame = reader.next()) ASSERT_LE(frame->frame.bytes.size(), 262144U);
    } catch (const UsageError&) {
    }
  }
}

}  // namespace
}  // namespace zcl::wire
