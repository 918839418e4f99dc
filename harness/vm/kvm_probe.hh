// SPDX-License-Identifier: MIT
// Whether KVM works here. /dev/kvm can exist and still hang every guest (nested virtualisation), so
// it is believed only after a guest has booted on it.
#pragma once

#include <string>

namespace zcl::vm {

struct KvmAnswer {
  bool works = false;
  std::string why;  ///< one line for a person, either way
};

/// Boots the guest's kernel on KVM once, under a deadline; the answer holds until this host reboots
/// or its QEMU changes. Throws EnvironmentError where nothing can be booted at all.
const KvmAnswer& kvm_answer();

}  // namespace zcl::vm
