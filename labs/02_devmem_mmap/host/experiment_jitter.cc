// SPDX-License-Identifier: MIT
// Inter-arrival times at a receiver, by the receiving kernel's time stamps, in guest time: once a
// sample each time the device has one, and once a full buffer as fast as it goes.
#include <algorithm>
#include <cmath>

#include "labs/02_devmem_mmap/host/bench.hh"
#include "labs/02_devmem_mmap/host/experiments.hh"
#include "labs/common/host/text.hh"

namespace zcl::lab02 {

namespace {

constexpr unsigned kBufferPages = 256;
/// QEMU's e1000 does not receive for a second after its receive unit was set up.
constexpr std::uint64_t kReceiverSettlesNs = 1'500'000'000;

struct Way {
  const char* name;
  const char* command;  ///< of the probe's stream and send_many
};
constexpr Way kWays[] = {
    {"read, send", "copy"}, {"mmap, send", "map"}, {"mmap of pages, MSG_ZEROCOPY", "in_place"}};

/// The value below which `share` of the samples lie (nearest rank); samples are sorted.
double percentile(const std::vector<double>& sorted, double share) {
  const auto rank = std::ceil(share * static_cast<double>(sorted.size()));
  return sorted.at(static_cast<std::size_t>(std::max(rank, 1.0)) - 1);
}

class Receiver {
 public:
  Receiver(vm::Machine& machine, Probe& probe) : probe_(probe) {
    const auto interface = machine.agent().interface_of("net1");
    machine.agent().interface_up(interface);
    auto mac = machine.agent().get_text("/sys/class/net/" + interface + "/address");
    std::erase(mac, ':');
    prepare_network(machine, probe, mac);
    clock_ = probe.must("stamp " + interface, "opening a packet socket").at(0);
    machine.agent().sleep_ns(kReceiverSettlesNs);
  }

  /// Differences of the arrival times of `count` packets, sorted, in ns.
  std::vector<double> intervals(unsigned count) {
    const auto words =
        probe_.must("stamps " + clock_ + " " + std::to_string(count), "reading arrival times");
    // Subtracted as integers: a time since 1970 in nanoseconds does not fit a double.
    std::vector<double> differences;
    for (std::size_t i = 1; i < words.size(); ++i) {
      differences.push_back(static_cast<double>(std::stoull(words[i]) - std::stoull(words[i - 1])));
    }
    std::sort(differences.begin(), differences.end());
    return differences;
  }

 private:
  Probe& probe_;
  std::string clock_;
};

struct Spread {
  double median = 0;
  double tail = 0;  ///< 99th percentile
  [[nodiscard]] double relative() const { return (tail - median) / median; }
};

Spread record(lab::ExperimentContext& context, const std::string& way, const std::string& pace,
              const std::vector<double>& intervals) {
  for (const auto& [name, share] :
       {std::pair{"50", 0.5}, std::pair{"90", 0.9}, std::pair{"99", 0.99}}) {
    // In a burst the last few intervals hold whatever timer came between: they repeat in no two
    // runs.
    if (pace == "burst" && share > 0.9) continue;
    context.metric("interarrival_ns", percentile(intervals, share),
                   {{"path", way}, {"pace", pace}, {"percentile", name}});
  }
  return {percentile(intervals, 0.5), percentile(intervals, 0.99)};
}

struct Jitter {
  std::vector<Spread> paced;
  std::vector<Spread> burst;
};

Jitter measure(lab::ExperimentContext& context, bool beside_a_busy_program) {
  const auto& parameters = context.experiment().parameters;
  const auto bytes = std::to_string(parameters.at("sample_bytes").get<unsigned>());
  const auto paced = parameters.at("paced").get<unsigned>();
  const auto burst = parameters.at("burst").get<unsigned>();
  auto machine = context.start("edu");
  load_driver(context, machine, kBufferPages);
  Probe probe(context, machine);
  Receiver receiver(machine, probe);
  Probe busy(context, machine);
  if (beside_a_busy_program) busy.start("spin");
  const auto daq = open_file(probe, "/dev/daq0", "r");
  const auto view =
      map_readable(probe, daq, kViewPages, kBufferPages * kPage, "mapping the buffer");
  Jitter jitter;
  for (const auto& way : kWays) {
    const auto target = std::string(way.command) + " " + daq + " " + to_hex(view) + " " + bytes;
    probe.must("stream " + target + " " + std::to_string(paced) + " " + kPeerAddress,
               "streaming samples");
    jitter.paced.push_back(record(context, way.name, "device", receiver.intervals(paced)));
    if (burst == 0) continue;
    probe.must("send_many " + target + " 4096 " + std::to_string(burst) + " " + kPeerAddress,
               "sending a burst");
    jitter.burst.push_back(record(context, way.name, "burst", receiver.intervals(burst)));
  }
  return jitter;
}

std::string table_of(const Jitter& jitter) {
  std::vector<std::vector<std::string>> table = {
      {"path", "pace", "median us", "p99 us", "(p99 - median)/median"}};
  for (std::size_t i = 0; i < std::size(kWays); ++i) {
    const auto add = [&](const char* pace, const Spread& spread) {
      table.push_back({kWays[i].name, pace, labs::fixed(spread.median / 1000, 1),
                       labs::fixed(spread.tail / 1000, 1), labs::fixed(spread.relative(), 4)});
    };
    add("device", jitter.paced[i]);
    if (i < jitter.burst.size()) add("burst", jitter.burst[i]);
  }
  return labs::to_table(table);
}

/// Judged at the device's pace, where the article's receiver stuttered.
void judge(lab::ExperimentContext& context, const Jitter& jitter, const std::string& where) {
  context.transcript(table_of(jitter));
  const auto& copied = jitter.paced[0];
  const auto& mapped = jitter.paced[1];
  const double saved = (copied.relative() - mapped.relative()) * 100;
  const bool visible = saved > 1;  // per cent of the interval
  std::string because =
      "At the device's pace" + where + " the 99th percentile of the inter-arrival time is " +
      labs::fixed(copied.relative() * 100, 3) + " % above the median with copies and " +
      labs::fixed(mapped.relative() * 100, 3) + " % with the mapping: " +
      (visible ? "the mapping makes it steadier."
               : "no visible difference, because copying a sample is a small part of the device's "
                 "interval.");
  if (!jitter.burst.empty()) {
    because += " As fast as it goes, the median interval with the mapping is " +
               labs::fixed(jitter.burst[1].median / jitter.burst[0].median) +
               " times that with copies, with MSG_ZEROCOPY " +
               labs::fixed(jitter.burst[2].median / jitter.burst[0].median) + " times.";
  }
  context.verdict(visible ? report::ClaimVerdict::confirmed : report::ClaimVerdict::refuted,
                  because);
}

}  // namespace

void measure_jitter(lab::ExperimentContext& context) {
  judge(context, measure(context, false), "");
}

void measure_jitter_busy(lab::ExperimentContext& context) {
  judge(context, measure(context, true), ", beside a program that never sleeps,");
}

}  // namespace zcl::lab02
