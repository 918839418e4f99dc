// SPDX-License-Identifier: MIT
// A guest with lab 03's driver on one card, and another card that programs send from.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "harness/tests/machine/guest_program.hh"
#include "harness/tests/machine/lab03_modules.hh"

namespace zcl::lab03 {

inline vm::MachineSpec two_cards(vm::Mode mode, unsigned cpus = 1) {
  vm::MachineSpec spec;
  spec.cpus = cpus;
  spec.nics = {{.id = "nic", .model = "e1000", .hub = "lan", .properties = {{"mitigation", "off"}}},
               {.id = "sender", .model = "e1000", .hub = "lan", .properties = {}}};
  spec.mode = mode;
  return spec;
}

class RingInGuest : public testing::Test {
 protected:
  explicit RingInGuest(const vm::MachineSpec& spec = two_cards(vm::Mode::count))
      : machine_(vm::Machine::start(spec)) {
    load_driver(machine_);
    nic_ = machine_.agent().interface_of("nic");
    sender_ = pci_directory(machine_.agent().interface_of("sender"));
    machine_.agent().interface_up(nic_);
    vm::wait_for_carrier(machine_, nic_,
                         base::Deadline("link of the card", std::chrono::seconds(60)));
    machine_.agent().sleep_ns(vm::kReceptionHold);
  }
  void TearDown() override {
    const auto report = machine_.alarming();
    EXPECT_FALSE(report.has_value()) << report->summary << "\n" << report->console_tail;
  }

  std::string pci_directory(const std::string& interface) {
    const std::string event =
        machine_.agent().get_text("/sys/class/net/" + interface + "/device/uevent");
    const std::string key = "PCI_SLOT_NAME=";
    const auto name = event.find(key) + key.size();
    return "/sys/bus/pci/devices/" + event.substr(name, event.find('\n', name) - name);
  }
  vm::ProgramResult run(std::vector<std::string> words,
                        std::chrono::seconds time_limit = std::chrono::seconds(60)) {
    words[0] = vm::install_guest_program(machine_, words[0]);
    vm::ProgramRequest request{.argv = words};
    request.time_limit = time_limit;
    return machine_.agent().run(request);
  }
  /// One of the programs of harness/tests/guest, which must end well.
  void expect_good(const std::vector<std::string>& words,
                   std::chrono::seconds time_limit = std::chrono::seconds(60)) {
    const auto result = run(words, time_limit);
    EXPECT_TRUE(result.ok()) << words[0] << (result.timed_out ? ": no end in time\n" : "\n")
                             << result.output << result.error;
  }

  vm::Machine machine_;
  std::string nic_;
  std::string sender_;
};

}  // namespace zcl::lab03
