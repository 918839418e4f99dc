// SPDX-License-Identifier: MIT
#include "harness/vm/kvm_probe.hh"

#include <filesystem>
#include <nlohmann/json.hpp>

#include "harness/base/error.hh"
#include "harness/base/paths.hh"
#include "harness/vm/guest_ram.hh"
#include "harness/vm/initramfs.hh"
#include "harness/vm/kernel_package.hh"
#include "harness/vm/machine_state.hh"
#include "harness/vm/qemu_binary.hh"

namespace zcl::vm {

namespace {

/// A guest boots on KVM in a second or two; under emulation it takes longer than this only on a
/// machine where KVM would not help.
constexpr std::chrono::seconds kProbeLimit{20};

KvmAnswer probe() {
  if (!std::filesystem::exists("/dev/kvm")) return {false, "there is no /dev/kvm"};
  MachineSpec spec;
  spec.mode = Mode::speed;
  MachineOptions options;
  options.deadlines.boot = kProbeLimit;
  const auto kernel = kernel_package(spec.kernel);
  const BootSource source{kernel.vmlinux, initramfs_image(kernel, {})};
  constexpr std::uint64_t kMib = 1U << 20;
  try {
    MachineState machine(spec, options, Accelerator{.kvm = true},
                         make_guest_ram(spec.memory_mib * kMib), source);
    machine.wait_for_boot();
    return {true, "a guest booted on it"};
  } catch (const base::DeadlinePassed&) {
    return {false, "/dev/kvm is there, but a guest did not boot on it within " +
                       std::to_string(kProbeLimit.count()) + " s"};
  } catch (const GuestFault& fault) {
    const std::string reason = fault.what();
    return {false, "/dev/kvm does not work: " + reason.substr(0, reason.find('\n'))};
  }
}

std::string boot_id() {
  try {
    return base::read_text_file("/proc/sys/kernel/random/boot_id");
  } catch (const std::system_error&) {
    return {};
  }
}

KvmAnswer look() {
  const auto cache = base::cache_root() / "kvm.json";
  const nlohmann::json here = {{"boot", boot_id()}, {"qemu", qemu_binary().version}};
  try {
    const auto cached = nlohmann::json::parse(base::read_text_file(cache.string()));
    if (cached.at("here") == here) {
      return {cached.at("works").get<bool>(), cached.at("why").get<std::string>()};
    }
  } catch (const std::exception&) {  // not there, or not ours: probe
  }
  const KvmAnswer answer = probe();
  try {
    const nlohmann::json text = {{"here", here}, {"works", answer.works}, {"why", answer.why}};
    base::write_file_atomically(cache.string(), text.dump());
  } catch (const std::system_error&) {  // probed again next time
  }
  return answer;
}

}  // namespace

const KvmAnswer& kvm_answer() {
  static const KvmAnswer answer = look();
  return answer;
}

}  // namespace zcl::vm
