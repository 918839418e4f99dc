// SPDX-License-Identifier: MIT
// How much memory there is to be had, and how a block of it is found (rows A1, A2).
#include <algorithm>
#include <cerrno>
#include <cmath>

#include "labs/01_proc_addr/host/experiments.hh"
#include "labs/01_proc_addr/host/support.hh"

namespace zcl::lab01 {

using report::ClaimVerdict;

namespace {

constexpr std::uint64_t kPage = 4096;
constexpr unsigned kHighestTried = 12;

}  // namespace

void order_sweep(lab::ExperimentContext& context) {
  auto machine = context.start("default");
  int highest = -1;
  int first_refused = -1;
  int refused_with = 0;
  std::string transcript;
  for (unsigned order = 0; order <= kHighestTried; ++order) {
    const Stamp stamp = fresh_stamp(context.random());
    const std::map<std::string, std::string> labels{{"order", std::to_string(order)}};
    int error = 0;
    try {
      context.load(machine, "nf_addr",
                   "ring=none order=" + std::to_string(order) + " stamp=" + to_hex(stamp));
      machine.pause();
      find_blocks(machine.memory(), stamp, 1, kPage << order);
      machine.resume();
      machine.agent().unload_module("nf_addr");
      highest = static_cast<int>(order);
      context.metric("allocated_bytes", static_cast<double>(kPage << order), labels);
    } catch (const vm::GuestError& refusal) {
      error = refusal.error_number();
      if (first_refused < 0) {
        first_refused = static_cast<int>(order);
        refused_with = error;
      }
    }
    context.metric("error_number", error, labels);
    transcript += "order " + std::to_string(order) + ": " +
                  (error == 0 ? std::to_string((kPage << order) / 1024) + " KiB in one piece"
                              : "errno " + std::to_string(error)) +
                  "\n";
  }
  context.transcript(transcript);
  const bool refused_cleanly = refused_with == ENOMEM;
  context.verdict(
      highest > 9 && refused_cleanly ? ClaimVerdict::refuted : ClaimVerdict::qualified,
      "Order " + std::to_string(highest) + " (" + std::to_string((kPage << highest) >> 20) +
          " MiB) is given out in one aligned piece; order " + std::to_string(first_refused) +
          " is refused with errno " + std::to_string(refused_with) +
          ", and unchecked that would be a null pointer.");
}

namespace {

/// Kernel instructions of one lookup. As many lookups as make the window about `window_size`
/// instructions, so that timer interrupts weigh the same in each.
double lookup_cost(vm::Machine& machine, double window_size, std::uint64_t seed) {
  constexpr std::uint64_t kPilot = 2000;
  auto cost = [&](std::uint64_t count) {
    command(machine, "lookup " + std::to_string(count) + " " + std::to_string(seed));
    return static_cast<double>(marked_window(machine).kernel) / static_cast<double>(count);
  };
  return cost(static_cast<std::uint64_t>(window_size / std::max(cost(kPilot), 1.0)));
}

}  // namespace

void block_index(lab::ExperimentContext& context) {
  const auto& parameters = context.experiment().parameters;
  const auto window_size = parameters.at("window_instructions").get<double>();
  const std::uint64_t seed = context.random().next();
  auto machine = context.start("default");
  std::map<std::string, std::map<unsigned, double>> costs;
  for (const std::string index : {"list", "array", "hash"}) {
    report::Series series{.name = index,
                          .x_label = "blocks",
                          .y_label = "kernel instructions per lookup",
                          .points = {},
                          .labels = {{"index", index}}};
    for (const unsigned blocks : parameters.at("blocks").get<std::vector<unsigned>>()) {
      context.load(machine, "nf_addr",
                   "ring=none order=2 index=" + index + " blocks=" + std::to_string(blocks));
      const double cost = lookup_cost(machine, window_size, seed);
      machine.agent().unload_module("nf_addr");
      costs[index][blocks] = cost;
      context.metric("instructions_per_lookup", cost,
                     {{"index", index}, {"blocks", std::to_string(blocks)}});
      series.points.emplace_back(blocks, cost);
    }
    context.series(series);
  }
  const auto grows = [&](const std::string& index) {
    return costs[index].rbegin()->second / costs[index].begin()->second;
  };
  const auto figure = [](double value) {
    const auto tenths = std::lround(value * 10);
    return std::to_string(tenths / 10) + "." + std::to_string(tenths % 10);
  };
  const unsigned few = costs["list"].begin()->first;
  const unsigned many = costs["list"].rbegin()->first;
  std::string because = "Instructions for a lookup among " + std::to_string(few) + " and " +
                        std::to_string(many) + " blocks:";
  for (const std::string index : {"list", "array", "hash"}) {
    because += " " + index + " " + figure(costs[index].begin()->second) + " and " +
               figure(costs[index].rbegin()->second) + (index == "hash" ? "." : ",");
  }
  because +=
      " All three find every block; with blocks of one size the array is the cheapest, and the "
      "list's cost grows with their number.";
  const bool as_said = grows("list") > 4 && grows("array") < 1.1 && grows("hash") < 2;
  context.verdict(as_said ? ClaimVerdict::confirmed : ClaimVerdict::qualified, because);
}

}  // namespace zcl::lab01
