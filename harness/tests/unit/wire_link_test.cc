// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <system_error>
#include <thread>

#include "harness/base/random.hh"
#include "harness/wire/link.hh"

namespace zcl::wire {
namespace {

using namespace std::chrono_literals;
using base::Bytes;
using base::Deadline;

struct Cable {
  Cable() {
    auto [ours, theirs] = base::socket_pair();
    link = std::make_unique<Link>(std::move(ours));
    far = std::move(theirs);
  }
  void write(const Bytes& bytes) const {
    ASSERT_EQ(::write(far.get(), bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
  }
  std::unique_ptr<Link> link;
  base::FileDescriptor far;
};

TEST(Link, FramesCarryTheirLengthBigEndian) {
  const Cable cable;
  cable.link->send(Bytes(300, 0xab), Deadline("send", 5s));
  Bytes raw(304);
  ASSERT_EQ(::recv(cable.far.get(), raw.data(), raw.size(), MSG_WAITALL), 304);
  EXPECT_EQ(Bytes(raw.begin(), raw.begin() + 4), (Bytes{0, 0, 1, 44}));
  EXPECT_EQ(raw[4], 0xab);
  EXPECT_EQ(cable.link->frames_sent(), 1U);
}

TEST(Link, AFrameMayArriveByteByByteOrSeveralAtOnce) {
  const Cable cable;
  const Bytes stream = {0, 0, 0, 2, 'a', 'b', 0, 0, 0, 0, 0, 0, 0, 1, 'c'};
  for (std::size_t i = 0; i < 5; ++i) {
    EXPECT_FALSE(cable.link->receive(Deadline("part", 0s)));
    cable.write({stream[i]});
  }
  cable.write(Bytes(stream.begin() + 5, stream.end()));
  EXPECT_EQ(cable.link->receive(Deadline("1", 5s))->bytes, (Bytes{'a', 'b'}));
  EXPECT_TRUE(cable.link->receive(Deadline("2", 5s))->bytes.empty());
  EXPECT_EQ(cable.link->receive(Deadline("3", 5s))->bytes, Bytes{'c'});
  EXPECT_FALSE(cable.link->receive(Deadline("none", 0s)));
  EXPECT_EQ(cable.link->frames_received(), 3U);
}

TEST(Link, AnnouncedLengthsAreBounded) {
  const Cable cable;
  cable.write({0xff, 0xff, 0xff, 0xff});
  EXPECT_THROW(cable.link->receive(Deadline("frame", 5s)), BadStream);
  EXPECT_THROW(cable.link->send(Bytes(kLargestFrame + 1), Deadline("send", 5s)), std::length_error);
}

TEST(Link, DeliversWhatWasSentBeforeTheOtherEndWent) {
  Cable cable;
  cable.write({0, 0, 0, 1, 'x'});
  cable.far.reset();
  EXPECT_EQ(cable.link->receive(Deadline("frame", 5s))->bytes, Bytes{'x'});
  EXPECT_THROW(cable.link->receive(Deadline("end", 5s)), std::system_error);
  EXPECT_THROW(cable.link->send(Bytes(60), Deadline("send", 5s)), std::system_error);
}

TEST(Link, AFullCableEndsAtTheDeadlineAndLosesNothing) {
  const Cable cable;
  const Frame frame{Bytes(50000, 0x11)};
  EXPECT_THROW(
      {
        for (;;) cable.link->send(frame.bytes, Deadline("full", 10ms));
      },
      base::DeadlinePassed);
  const std::uint64_t sent = cable.link->frames_sent();
  // What was sent, the frame that went out in part included, arrives whole after a further send.
  Link far(std::move(const_cast<base::FileDescriptor&>(cable.far)));
  std::thread sender([&] { cable.link->send(Bytes(60, 0x22), Deadline("send", 60s)); });
  for (std::uint64_t i = 0; i < sent; ++i) {
    ASSERT_EQ(far.receive(Deadline("frame", 60s))->bytes, frame.bytes);
  }
  EXPECT_EQ(far.receive(Deadline("last", 60s))->bytes, Bytes(60, 0x22));
  sender.join();
}

TEST(Link, SendsMoreThanTheSocketHolds) {
  Cable cable;
  Link far(std::move(cable.far));
  std::vector<Frame> frames;
  base::RandomStream random(1, "lengths");
  for (int i = 0; i < 2000; ++i) frames.push_back({random.bytes(random.below(3000))});
  std::thread sender([&] { cable.link->send_all(frames, Deadline("send", 60s)); });
  for (const auto& frame : frames) {
    ASSERT_EQ(far.receive(Deadline("frame", 60s))->bytes, frame.bytes);
  }
  sender.join();
  EXPECT_EQ(cable.link->frames_sent(), frames.size());
}

TEST(Link, AnyBytesFromTheOtherEndGiveFramesOrBadStream) {
  base::RandomStream random(7, "stream");
  for (int round = 0; round < 200; ++round) {
    Cable cable;
    for (int i = 0; i < 20; ++i) {
      Bytes piece = random.bytes(random.below(64) + 4);
      if (random.below(4) != 0) piece[0] = piece[1] = piece[2] = 0;  // often a plausible length
      cable.write(piece);
    }
    cable.far.reset();
    try {
      for (;;) {
        const auto frame = cable.link->receive(Deadline("frame", 5s));
        ASSERT_TRUE(frame);
        ASSERT_LE(frame->bytes.size(), kLargestFrame);
      }
    } catch (const BadStream&) {
    } catch (const std::system_error& error) {
      EXPECT_EQ(error.code().value(), ECONNRESET);
    }
  }
}

}  // namespace
}  // namespace zcl::wire
