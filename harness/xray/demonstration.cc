// SPDX-License-Identifier: MIT
#include "harness/xray/demonstration.hh"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>

#include "harness/base/paths.hh"
#include "harness/wire/link.hh"
#include "harness/xray/figure.hh"
#include "harness/xray/text.hh"

namespace zcl::xray {
namespace {

constexpr const char* kNicId = "net0";
constexpr const char* kReceiver = "/xray_receiver";  // the kernel keeps 15 characters of a name
constexpr std::size_t kLongestPayload = 1500;
/// IEEE 802 local experimental ethertype 2 (the receiver's kEthertype): no protocol answers it.
constexpr std::uint16_t kEthertype = 0x88b6;
constexpr wire::MacAddress kBroadcast{0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
/// Locally administered.
constexpr wire::MacAddress kSource{0x02, 0, 0, 0, 0, 0x01};
/// QEMU's e1000 holds reception for a second of guest time after its control register was written.
constexpr std::uint64_t kReceptionDelayNs = 1'500'000'000;
constexpr std::chrono::seconds kReceiverLimit{300};
constexpr std::chrono::seconds kReadyLimit{60};
constexpr std::chrono::seconds kFrameLimit{60};

struct NicModel {
  const char* model;
  const char* driver;  ///< stock module of the guest
};
constexpr std::array kModels{NicModel{"e1000", "e1000"}, NicModel{"rtl8139", "8139cp"},
                             NicModel{"e1000e", "e1000e"},
                             NicModel{"virtio-net-pci", "virtio_net"}};

template <typename List>
std::string joined(const List& names) {
  std::string text;
  for (const auto& name : names) text += (text.empty() ? "" : ", ") + std::string(name);
  return text;
}

std::vector<std::string> method_names() {
  std::vector<std::string> names;
  for (const ReceiveMethod& method : receive_methods()) names.push_back(method.name);
  return names;
}

void check(const XrayOptions& options) {
  const auto methods = method_names();
  if (std::find(methods.begin(), methods.end(), options.method) == methods.end()) {
    throw UsageError("no way to receive is called \"" + options.method + "\"; there are " +
                     joined(methods));
  }
  const auto& models = nic_models();
  if (std::find(models.begin(), models.end(), options.nic) == models.end()) {
    throw UsageError("no NIC is called \"" + options.nic + "\"; there are " + joined(models));
  }
  if (options.length < kShortestPayload || options.length > kLongestPayload) {
    throw UsageError("the payload must have " + std::to_string(kShortestPayload) + " to " +
                     std::to_string(kLongestPayload) + " bytes, not " +
                     std::to_string(options.length));
  }
}

vm::MachineSpec machine_spec(const XrayOptions& options, bool init_on_free) {
  vm::MachineSpec spec = options.machine;
  if (std::any_of(spec.nics.begin(), spec.nics.end(),
                  [](const vm::NicSpec& nic) { return nic.id == kNicId; })) {
    throw UsageError(std::string("the machine has a NIC called ") + kNicId + " already");
  }
  vm::NicSpec nic;
  nic.id = kNicId;
  nic.model = options.nic;
  spec.nics.push_back(nic);
  spec.init_on_free = init_on_free;
  const auto model = std::find_if(kModels.begin(), kModels.end(),
                                  [&](const NicModel& each) { return options.nic == each.model; });
  spec.boot_modules.emplace_back(model->driver);
  return spec;
}

base::Bytes receiver_program() {
  const auto path = base::build_root() / "zcl_xray_receiver";
  if (!std::filesystem::exists(path)) {
    throw EnvironmentError("the receiver program " + path.string() +
                           " is missing. Build it: cmake --build build");
  }
  return base::read_file(path.string());
}

/// The receiver, running in the guest and waiting for the frame.
vm::GuestProcess start_receiver(vm::Machine& machine, const std::string& method) {
  vm::AgentClient& agent = machine.agent();
  agent.put_file(kReceiver, receiver_program(), 0755);
  const std::string interface = agent.interface_of(kNicId);
  agent.interface_up(interface);
  vm::ProgramRequest request;
  request.argv = {kReceiver, method, interface};
  request.time_limit = kReceiverLimit;
  vm::GuestProcess receiver = agent.start(request);
  const base::Deadline ready("the receiver to be ready", kReadyLimit);
  if (const std::string line = receiver.read_line(ready); line != "ready") {
    throw EnvironmentError("the receiver in the guest said \"" + line + "\" instead of \"ready\"");
  }
  agent.sleep_ns(kReceptionDelayNs);
  return receiver;
}

void write_file(const std::string& path, const std::string& content) {
  std::ofstream file(path, std::ios::binary);
  file << content;
  file.close();
  if (!file) throw UsageError("cannot write " + path);
}

FigureText figure_text(const XrayResult& result) {
  FigureText text;
  text.title = result.method + " on " + result.nic + ": " +
               counted(result.census.copies(), "copy", "copies") + " of one frame's payload";
  text.subtitle = counted(result.length, "byte", "bytes") + " of payload, freed pages " +
                  (result.init_on_free ? "cleared (init_on_free=1)" : "kept (init_on_free=0)");
  return text;
}

nlohmann::json to_json(const XrayResult& result) {
  nlohmann::json json = to_json(result.census, result.chains);
  json["nic"] = result.nic;
  json["method"] = result.method;
  json["payload_bytes"] = result.length;
  json["init_on_free"] = result.init_on_free;
  return json;
}

/// What the count means for this frame. Nothing where the NIC's own place was overwritten since.
std::string conclusion(const XrayResult& result) {
  const auto& places = result.census.places;
  const bool has_nic_place = std::any_of(places.begin(), places.end(), [](const Place& place) {
    return place.kind == PlaceKind::nic_buffer || place.kind == PlaceKind::packet;
  });
  if (!has_nic_place) return {};
  const std::size_t others = result.census.copies() - 1;
  return "The NIC wrote one copy itself; the CPU made " +
         (others == 0 ? "no other" : counted(others, "other", "others")) +
         (result.init_on_free ? ", freed ones not counted." : ", freed ones included.");
}

std::string to_text(const XrayResult& result) {
  std::string text = result.method + " on " + result.nic + ", payload of " +
                     counted(result.length, "byte", "bytes") +
                     ", init_on_free=" + (result.init_on_free ? "1" : "0") + "\n" +
                     to_text(result.census, result.chains);
  const std::string meaning = conclusion(result);
  return meaning.empty() ? text : text + "\n" + meaning + "\n";
}

/// The name for the picture of one of several results: "map.svg" -> "map.init_on_free1.svg".
std::string figure_path(const XrayOptions& options, const XrayResult& result) {
  if (options.init_on_free) return options.svg_path;
  std::filesystem::path path(options.svg_path);
  const std::string tag = result.init_on_free ? ".init_on_free1" : ".init_on_free0";
  return path.replace_filename(path.stem().string() + tag + path.extension().string()).string();
}

void write_outputs(const XrayOptions& options, const std::vector<XrayResult>& results) {
  for (const XrayResult& result : results) {
    if (!options.svg_path.empty()) write_file(figure_path(options, result), result.figure);
  }
  if (options.json_path.empty()) return;
  nlohmann::json json = {{"schema", "zcl-xray/1"}, {"seed", options.seed}};
  for (const XrayResult& result : results) json["results"].push_back(to_json(result));
  const std::string text = json.dump(2) + "\n";
  if (options.json_path == "-") {
    std::fwrite(text.data(), 1, text.size(), stdout);
  } else {
    write_file(options.json_path, text);
  }
}

}  // namespace

const std::vector<ReceiveMethod>& receive_methods() {
  static const std::vector<ReceiveMethod> methods{
      {"recvfrom", "packet socket, one system call a frame"},
      {"read", "packet socket, read(2)"},
      {"recvmmsg", "packet socket, several frames a system call"},
      {"packet_mmap", "packet socket with a mapped ring, TPACKET_V3"},
      {"packet_mmap_v2", "packet socket with a mapped ring, TPACKET_V2"},
  };
  return methods;
}

const std::vector<std::string>& nic_models() {
  static const std::vector<std::string> models = [] {
    std::vector<std::string> names;
    for (const NicModel& model : kModels) names.emplace_back(model.model);
    return names;
  }();
  return models;
}

XrayResult take_xray(const XrayOptions& options, bool init_on_free) {
  check(options);
  base::RandomStream random(options.seed, "xray payload");
  const Payload payload(random, options.length);
  vm::Machine machine = vm::Machine::start(machine_spec(options, init_on_free));
  if (options.prepare) options.prepare(machine);
  wire::Link link(machine.take_nic_socket(kNicId));
  vm::GuestProcess receiver = start_receiver(machine, options.method);
  const wire::Frame frame = wire::make_frame(kBroadcast, kSource, kEthertype, payload.bytes());
  const base::Deadline arrival("the frame to arrive in the guest", kFrameLimit);
  link.send(frame.bytes, arrival);
  const std::string line = receiver.read_line(arrival);
  if (line != "received " + std::to_string(frame.bytes.size())) {
    throw EnvironmentError("the receiver in the guest said \"" + line + "\" of a frame of " +
                           std::to_string(frame.bytes.size()) + " bytes");
  }
  machine.pause();
  XrayResult result;
  result.nic = options.nic;
  result.method = options.method;
  result.length = options.length;
  result.init_on_free = init_on_free;
  result.census = take_census(machine.memory(), payload);
  name_places(machine, result.census);
  result.chains = trace_census(machine, kNicId, result.census);
  result.figure = draw_census(figure_text(result), machine.memory(), result.census, result.chains);
  return result;
}

ExitStatus run_xray(const XrayOptions& options) {
  check(options);
  std::vector<XrayResult> results;
  for (const bool init_on_free : {false, true}) {
    if (options.init_on_free && *options.init_on_free != init_on_free) continue;
    results.push_back(take_xray(options, init_on_free));
    if (options.json_path == "-") continue;
    const std::string text = (results.size() > 1 ? "\n" : "") + to_text(results.back());
    std::fwrite(text.data(), 1, text.size(), stdout);
  }
  write_outputs(options, results);
  return ExitStatus::passed;
}

}  // namespace zcl::xray
