// SPDX-License-Identifier: MIT
// `zcl xray`: one frame with a random payload into a real driver, and a picture of where it stands.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "harness/base/error.hh"
#include "harness/vm/machine.hh"
#include "harness/xray/census.hh"
#include "harness/xray/chain.hh"

namespace zcl::xray {

/// A way in which the guest's receiver program takes the frame.
struct ReceiveMethod {
  std::string name;     ///< as `--method` takes it
  std::string meaning;  ///< one line for the help
};
/// Every method the receiver program knows.
const std::vector<ReceiveMethod>& receive_methods();
/// NIC models (`--nic`) with a stock driver in the guest.
const std::vector<std::string>& nic_models();

struct XrayOptions {
  std::string nic = "e1000";         ///< QEMU model, one of nic_models()
  std::string method = "recvfrom";   ///< one of receive_methods()
  std::size_t length = 1000;         ///< payload bytes: 48 … 1500
  std::optional<bool> init_on_free;  ///< nothing: both, one machine each
  std::uint64_t seed = 1;            ///< of the payload
  std::string json_path;             ///< empty: none; "-": standard output, and nothing else there
  std::string svg_path;              ///< empty: none
  /// The machine without its NIC (memory, chipset, IOMMU, accelerator…), e.g. a lab's.
  vm::MachineSpec machine{.mode = vm::Mode::speed};
  /// Called once the guest is up, before the frame: loads a lab's module, for instance.
  std::function<void(vm::Machine&)> prepare;
};

/// What one machine showed.
struct XrayResult {
  std::string nic;
  std::string method;
  std::size_t length = 0;
  bool init_on_free = false;
  Census census;
  std::vector<EvidenceChain> chains;
  std::string figure;  ///< SVG document
};

/// Starts the machine, sends the frame, waits until the receiver has it, stops the machine, takes
/// census and chain. Throws UsageError for an unknown method, NIC or length, GuestFault,
/// EnvironmentError.
XrayResult take_xray(const XrayOptions& options, bool init_on_free);

/// The command: one take_xray() for each value of init_on_free, printed as text (or JSON) on
/// standard output. Throws like take_xray().
ExitStatus run_xray(const XrayOptions& options);

}  // namespace zcl::xray
