// SPDX-License-Identifier: MIT
// The host trusts nothing that the agent's end of the connection says.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <thread>

#include "harness/base/random.hh"
#include "harness/guest/frame.hh"
#include "harness/vm/agent_client.hh"
#include "harness/vm/agent_connection.hh"

namespace zcl::vm {
namespace {

using guest::FrameReader;
using guest::ProtocolError;
using nlohmann::json;

TEST(AgentFrame, CarriesAMessage) {
  const json message = {{"id", 7U}, {"data", guest::binary({1, 2, 255})}, {"flag", true}};
  FrameReader reader(false);
  const auto frame = guest::encode_frame(message);
  for (const auto byte : frame) {
    EXPECT_FALSE(reader.next());
    reader.append({&byte, 1});
  }
  EXPECT_EQ(reader.next(), message);
  EXPECT_FALSE(reader.next());
}

TEST(AgentFrame, CarriesDataBehindTheMapAndOnlyThere) {
  const base::Bytes data = base::RandomStream(3, "attachment").bytes(guest::kMaxChunk);
  const json message = {{"data", guest::binary(data)}, {"id", 7U}};
  auto frame = guest::encode_frame(message);
  EXPECT_TRUE(std::equal(data.rbegin(), data.rend(), frame.rbegin()));
  FrameReader reader(false);
  reader.append(frame);
  EXPECT_EQ(reader.next(), message);

  const auto map = json::to_cbor(message);
  EXPECT_NO_THROW(guest::decode_message(map));
  EXPECT_THROW(guest::decode_message(map, data), ProtocolError);

  // An attachment that would wrap the sum of the two lengths, or exceed it by one.
  for (const std::uint32_t attached : {0xffffffffU, guest::kMaxFrame + 1 - 9}) {
    base::Bytes header;
    guest::append_le32(header, guest::kFrameMagic);
    guest::append_le32(header, 9);
    guest::append_le32(header, attached);
    FrameReader strict(false);
    strict.append(header);
    EXPECT_THROW(strict.next(), ProtocolError) << attached;
  }
}

TEST(AgentFrame, RefusesNestingBeforeARecursiveDecoderSeesIt) {
  base::Bytes deep(guest::kMaxFrame - 1, 0x81);  // arrays of one, each inside the other
  deep.push_back(0x00);
  EXPECT_THROW(guest::decode_message(deep), ProtocolError);
}

TEST(AgentFrame, RefusesWhatCborAllowsAndWeDoNot) {
  for (const base::Bytes& bytes : std::vector<base::Bytes>{
           {},
           {0x00},                                                  // not a map
           {0xa1, 0x61, 'a'},                                       // a value is missing
           {0xa0, 0x00},                                            // something follows
           {0xbf, 0xff},                                            // indefinite length
           {0xbb, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff},  // 2^64 - 1 pairs
           {0xa1, 0x7b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x00},  // text of 2^64 - 1
           {0xa1, 0x00, 0x00},             // a key that is no text
           {0xa1, 0x61, 'a', 0xc0, 0x00},  // a tag
           {0xa1, 0x61, 0xff, 0x00},       // a key that is not UTF-8
       }) {
    try {
      const auto message = guest::decode_message(bytes);
      // The last one is for the reader of the field to refuse; nothing else may pass.
      EXPECT_EQ(bytes.size(), 4U) << message.size();
    } catch (const ProtocolError&) {
    }
  }
}

TEST(AgentFrame, SurvivesRandomBytes) {
  base::RandomStream random(1, "frames");
  for (int round = 0; round < 3000; ++round) {
    const auto bytes = random.bytes(1 + random.below(300));
    try {
      guest::decode_message(bytes);
    } catch (const ProtocolError&) {
    }
    FrameReader reader(true);
    reader.append(bytes);
    while (reader.next()) {
    }
  }
}

TEST(AgentFrame, FindsTheNextFrameAfterRubbish) {
  const json message = {{"id", 1U}};
  auto bytes = base::RandomStream(2, "rubbish").bytes(5000);
  const auto frame = guest::encode_frame(message);
  bytes.insert(bytes.end(), frame.begin(), frame.end());
  FrameReader reader(true);
  reader.append(bytes);
  EXPECT_EQ(reader.next(), message);
  FrameReader strict(false);
  strict.append(bytes);
  EXPECT_THROW(strict.next(), ProtocolError);
}

/// A client whose agent is played by the test: it answers each request with the next of `replies`
/// and then hangs up, or stays silent.
class HostileAgent : public testing::Test {
 protected:
  void answer_with(std::vector<std::function<base::Bytes(std::uint64_t id)>> replies) {
    play(std::move(replies), std::chrono::minutes(5), false);
  }
  void stay_silent() { play({}, std::chrono::milliseconds(50), true); }
  void play(std::vector<std::function<base::Bytes(std::uint64_t id)>> replies,
            std::chrono::milliseconds patience, bool stays) {
    auto [ours, theirs] = base::socket_pair();
    connection_ = std::make_shared<AgentConnection>(std::move(ours), nullptr,
                                                    AgentDeadlines{patience, patience});
    client_ = std::make_unique<AgentClient>(connection_);
    agent_ = std::thread([fd = std::move(theirs), replies = std::move(replies), stays] {
      FrameReader reader(true);
      for (const auto& reply : replies) {
        std::optional<json> request;
        while (!(request = reader.next())) {
          std::uint8_t buffer[4096];
          const ssize_t got = ::recv(fd.get(), buffer, sizeof buffer, 0);
          if (got <= 0) return;
          reader.append({buffer, static_cast<std::size_t>(got)});
        }
        const auto bytes = reply(request->at("id").get<std::uint64_t>());
        ::send(fd.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
      }
      std::uint8_t rest[4096];
      while (stays && ::recv(fd.get(), rest, sizeof rest, 0) > 0) {
      }
    });
  }
  void TearDown() override {
    if (connection_) connection_->detach();
    if (agent_.joinable()) agent_.join();
  }
  /// The errno with which `use` is refused; 0 when it is not.
  template <typename Use>
  int refusal(const Use& use) {
    try {
      use();
    } catch (const GuestError& error) {
      return error.error_number();
    }
    return 0;
  }

  std::shared_ptr<AgentConnection> connection_;
  std::unique_ptr<AgentClient> client_;
  std::thread agent_;
};

TEST_F(HostileAgent, AnAnswerOfTheWrongShapeIsAProtocolError) {
  answer_with({[](std::uint64_t id) {
                 return guest::encode_frame({{"id", id}, {"ns", "text"}});
               },
               [](std::uint64_t id) {
                 return guest::encode_frame({{"id", id}});
               },
               [](std::uint64_t id) {
                 return guest::encode_frame({{"id", id}, {"errno", -5}, {"text", "x"}});
               }});
  EXPECT_EQ(refusal([&] { client_->monotonic_ns(); }), EPROTO);
  EXPECT_EQ(refusal([&] { client_->get_text("/x"); }), EPROTO);
  EXPECT_EQ(refusal([&] { client_->write_text("/x", ""); }), EPROTO);
}

TEST_F(HostileAgent, RubbishIsAProtocolError) {
  answer_with({[](std::uint64_t) { return base::RandomStream(9, "rubbish").bytes(200); }});
  EXPECT_EQ(refusal([&] { client_->monotonic_ns(); }), EPROTO);
}

TEST_F(HostileAgent, AHangUpIsABrokenPipe) {
  answer_with({[](std::uint64_t) { return base::Bytes{}; }});
  EXPECT_EQ(refusal([&] { client_->monotonic_ns(); }), EPIPE);
}

TEST_F(HostileAgent, SilenceEndsAtTheDeadline) {
  stay_silent();
  EXPECT_THROW(client_->monotonic_ns(), base::DeadlinePassed);
}

TEST_F(HostileAgent, AnswersToNobodyAreDropped) {
  answer_with({[](std::uint64_t id) {
    auto bytes = guest::encode_frame({{"id", id + 1000}, {"ns", 1U}});
    for (const json& each : {json{{"event", "output"}, {"handle", 9U}, {"stream", 1U}},
                             json{{"event", "no such event"}}, json{{"id", id}, {"ns", 42U}}}) {
      const auto frame = guest::encode_frame(each);
      bytes.insert(bytes.end(), frame.begin(), frame.end());
    }
    return bytes;
  }});
  EXPECT_EQ(client_->monotonic_ns(), 42U);
}

TEST_F(HostileAgent, MoreOutputThanTheLimitIsRefused) {
  answer_with({[](std::uint64_t id) {
    auto bytes = guest::encode_frame({{"id", id}, {"handle", 1U}, {"pid", 5U}});
    const auto output = guest::encode_frame({{"event", "output"},
                                             {"handle", 1U},
                                             {"stream", 1U},
                                             {"data", guest::binary(base::Bytes(101))}});
    bytes.insert(bytes.end(), output.begin(), output.end());
    return bytes;
  }});
  ProgramRequest request{.argv = {"/x"}};
  request.output_limit = 100;
  EXPECT_EQ(refusal([&] { client_->run(request); }), EPROTO);
}

TEST_F(HostileAgent, AFileWithoutEndStopsAtTheLimit) {
  const auto piece = [](std::uint64_t id) {
    return guest::encode_frame(
        {{"id", id}, {"data", guest::binary(base::Bytes(1000))}, {"end", false}});
  };
  answer_with({piece, piece, piece, piece});
  EXPECT_EQ(refusal([&] { client_->get_file("/x", 2500); }), EFBIG);
}

TEST_F(HostileAgent, MangledAnswersNeverDoMoreThanFail) {
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    answer_with({[seed](std::uint64_t id) {
      auto frame = guest::encode_frame(
          {{"id", id}, {"data", guest::binary({1, 2, 3})}, {"end", true}, {"text", "abc"}});
      base::RandomStream random(seed, "mangle");
      for (int i = 0; i < 3; ++i) {
        frame[8 + random.below(frame.size() - 8)] = static_cast<std::uint8_t>(random.next());
      }
      return frame;
    }});
    try {
      client_->get_file("/x");
    } catch (const GuestError&) {
    }
    TearDown();
  }
}

}  // namespace
}  // namespace zcl::vm
