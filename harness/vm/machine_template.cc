// SPDX-License-Identifier: MIT
#include "harness/vm/machine_template.hh"

#include "harness/base/error.hh"
#include "harness/vm/guest_ram.hh"
#include "harness/vm/initramfs.hh"
#include "harness/vm/kernel_package.hh"
#include "harness/vm/kvm_probe.hh"
#include "harness/vm/machine_state.hh"
#include "harness/vm/qemu_binary.hh"
#include "harness/vm/stock_modules.hh"

namespace zcl::vm {

namespace {

constexpr std::uint64_t kMib = 1U << 20;
/// What a booted machine of 512 MiB fills at most; larger ones fill more for their page structures.
constexpr std::uint64_t kTypicalTemplate = 256 * kMib;
constexpr std::size_t kMaxKallsyms = 64 * kMib;

/// What is booted of `kernel` for `spec`.
std::filesystem::path kernel_image(const KernelPackage& kernel, const MachineSpec& spec) {
  if (!spec.five_level_paging) return kernel.vmlinux;
  if (kernel.vmlinuz.empty()) {
    throw EnvironmentError("The guest kernel " + kernel.series +
                           " was set up without its bzImage, which 5-level paging needs: run "
                           "`tools/setup --renew`.");
  }
  return kernel.vmlinuz;
}

/// All that a template depends on.
std::string template_key(const MachineSpec& spec, const Accelerator& accelerator,
                         const KernelPackage& kernel, const std::filesystem::path& initramfs) {
  QemuChannels channels;
  channels.cables.resize(cables_of(spec).size());
  // Not where they are, but what they are: two source trees may share a template.
  channels.kernel = kernel_image(kernel, spec).filename().string();
  channels.initramfs = initramfs.filename().string();
  const nlohmann::json key = {{"format", 1},
                              {"qemu", qemu_binary().version},
                              {"arguments", qemu_arguments(spec, accelerator, channels)},
                              {"kernel", kernel.release + " " + kernel.package_version}};
  return key.dump();
}

BootedMachine boot(const MachineSpec& spec, MachineOptions options, const Accelerator& accelerator,
                   const KernelPackage& kernel, const BootSource& source) {
  const std::uint64_t size = spec.memory_mib * kMib;
  const std::uint64_t needed = kTypicalTemplate + size / 64;
  TemplateStore::make_room(needed);
  if (shared_memory_free() < needed) throw_shared_memory_full(needed);
  options.seed = 0;  // a template serves every seed
  MachineState machine(spec, options, accelerator, make_guest_ram(size), source);
  machine.wait_for_boot();
  BootedMachine booted;
  const auto kallsyms = machine.agent->get_file("/proc/kallsyms", kMaxKallsyms);
  booted.kallsyms.assign(kallsyms.begin(), kallsyms.end());
  booted.btf = elf_section(base::read_file(kernel.vmlinux), ".BTF");
  machine.agent->write_text("/proc/sys/kernel/printk", "8");
  booted.device_state = machine.save_device_state();
  booted.ram = std::move(machine.ram);
  return booted;
}

}  // namespace

std::shared_ptr<Template> booted_template(const MachineSpec& spec, const MachineOptions& options,
                                          const Accelerator& accelerator) {
  const auto kernel = kernel_package(spec.kernel);
  const BootSource source{kernel_image(kernel, spec).string(),
                          initramfs_image(kernel, spec.boot_modules)};
  const base::Deadline deadline("boot of the template",
                                options.deadlines.boot * 2);  // another may boot it first
  return TemplateStore::get(template_key(spec, accelerator, kernel, source.initramfs), deadline,
                            [&] { return boot(spec, options, accelerator, kernel, source); });
}

std::string template_file(const MachineSpec& spec) {
  const auto kernel = kernel_package(spec.kernel);
  const auto initramfs = initramfs_image(kernel, spec.boot_modules);
  return TemplateStore::path_of(template_key(spec, choose_accelerator(spec), kernel, initramfs));
}

Accelerator choose_accelerator(const MachineSpec& spec) {
  if (spec.mode == Mode::count || spec.accel == Accel::tcg) return {};
  if (spec.accel == Accel::kvm && !kvm_answer().works) {
    throw EnvironmentError("KVM cannot be used: " + kvm_answer().why +
                           ". Use --accel tcg, or auto.");
  }
  return {.kvm = kvm_answer().works};
}

}  // namespace zcl::vm
