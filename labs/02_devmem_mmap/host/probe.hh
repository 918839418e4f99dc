// SPDX-License-Identifier: MIT
// The host's hand inside the guest: user/daq_probe.cc.
#pragma once

#include "labs/common/host/evidence.hh"
#include "labs/common/host/probe.hh"

namespace zcl::lab02 {

using labs::Answer;
using labs::kPage;
using labs::lookup;
using labs::mapped_pages;
using labs::module_is_loaded;
using labs::page_references;
using labs::Pause;
using labs::space_of;
using labs::to_hex;

class Probe : public labs::Probe {
 public:
  /// Starts the program as user `uid`.
  Probe(lab::Context& context, vm::Machine& machine, unsigned uid = 0)
      : labs::Probe(context, machine, "daq_probe", uid) {}
};

}  // namespace zcl::lab02
