// SPDX-License-Identifier: MIT
#include "harness/xray/naming.hh"

#include <algorithm>
#include <map>

#include "harness/xray/page_frame.hh"
#include "harness/xray/text.hh"

namespace zcl::xray {
namespace {

constexpr std::uint64_t kPageMask = ~std::uint64_t{4095};
constexpr std::uint64_t kKernelStack = 16U << 10;  // THREAD_SIZE of x86-64
/// Where modules and the kernel's own image are mapped (Documentation/x86/x86_64/mm.rst).
constexpr vm::VirtualAddress kModulesFirst = 0xffffffff80000000;
constexpr vm::VirtualAddress kModulesLast = 0xfffffffffeffffff;
constexpr std::uint64_t kVmallocSize4 = 32ULL << 40;
constexpr std::uint64_t kVmallocSize5 = 12800ULL << 40;
constexpr std::size_t kModuleNameLength = 56;
/// Mappings of one place that its name lists.
constexpr std::size_t kMappingsNamed = 2;

/// Names the places of one census.
class Namer {
 public:
  Namer(const vm::KernelView& kernel, const vm::MachineSpec& spec,
        const std::vector<NamedRing>& rings, const std::vector<Task>& tasks,
        const std::vector<vm::PhysicalAddress>& addresses)
      : kernel_(kernel),
        spec_(spec),
        rings_(rings),
        tasks_(tasks),
        frames_(kernel),
        mappings_(find_mappings(kernel.memory(), tasks, addresses)) {
    find_kernel_mappings(addresses);
  }

  /// The i-th of the addresses.
  void name(std::size_t i, vm::PhysicalAddress address, Place& place) const {
    const PageFrame frame = frames_.at(address);
    const std::vector<Mapping>& users = mappings_[i];
    place.kind = PlaceKind::kernel;
    // Parts of the image (init code, the gaps between its sections) are given to the allocator.
    const bool given_away = frame.use != PageUse::reserved && frame.use != PageUse::unmanaged;
    if (!given_away && name_image(address, place)) return;
    name_frame(frame, address, place);
    if (!users.empty()) name_user(frame, users, place);
    name_ring(frame, address, place);
  }

 private:
  /// Where the kernel maps the wanted pages besides its map of all RAM: vmalloc and modules.
  void find_kernel_mappings(const std::vector<vm::PhysicalAddress>& addresses) {
    for (const auto address : addresses) kernel_mappings_[address & kPageMask] = 0;
    const auto visit = [&](const vm::Translation& page) {
      auto it = kernel_mappings_.lower_bound(page.physical_address);
      for (; it != kernel_mappings_.end() && it->first < page.physical_address + page.page_size;
           ++it) {
        it->second = page.virtual_address + (it->first - page.physical_address);
      }
    };
    const bool five = kernel_.space().levels == 5;
    if (const auto base = kernel_.variable<std::uint64_t>("vmalloc_base")) {
      const std::uint64_t size = five ? kVmallocSize5 : kVmallocSize4;
      if (*base <= ~size) {
        vm::for_each_page(kernel_.memory(), kernel_.space(), *base, *base + (size - 1), visit);
      }
    }
    vm::for_each_page(kernel_.memory(), kernel_.space(), kModulesFirst, kModulesLast, visit);
  }

  bool name_image(vm::PhysicalAddress address, Place& place) const {
    const auto text = kernel_.symbols().find("_text");
    const auto end = kernel_.symbols().find("_end");
    const auto first = text ? kernel_.translate(*text) : std::nullopt;
    if (!first || !end || address < *first || address >= *first + (*end - *text)) return false;
    place.name = "kernel image";
    if (const auto near = kernel_.symbols().nearest(*text + (address - *first))) {
      place.name += ", in " + near->symbol;
    }
    return true;
  }

  void name_frame(const PageFrame& frame, vm::PhysicalAddress address, Place& place) const {
    switch (frame.use) {
      case PageUse::unmanaged:
      case PageUse::reserved:
        return name_reserved(address, place);
      case PageUse::free:
        place.kind = PlaceKind::free;
        place.name = "free page";
        return;
      case PageUse::free_on_cpu_list:
        place.kind = PlaceKind::free;
        place.name = "free page (on a CPU's list)";
        return;
      case PageUse::slab:
        return name_slab(frame, address, place);
      case PageUse::anonymous:
        place.kind = PlaceKind::user;
        place.name = "anonymous page";
        return;
      case PageUse::file:
        place.kind = PlaceKind::page_cache;
        place.name = describe_file_page(kernel_, frame);
        return;
      case PageUse::kernel:
        return name_kernel(frame, address, place);
    }
  }

  void name_reserved(vm::PhysicalAddress address, Place& place) const {
    place.kind = PlaceKind::reserved;
    place.name = "memory reserved at boot";
    for (const vm::ReservedRegion& region : spec_.reserved) {
      if (address >= region.start && address - region.start < region.size) {
        place.name = "reserved region at " + hexadecimal(region.start) + " (memmap=)";
      }
    }
    name_per_cpu(address, place);
  }

  void name_slab(const PageFrame& frame, vm::PhysicalAddress address, Place& place) const {
    place.kind = PlaceKind::slab;
    place.name = "slab";
    const auto object = slab_object(kernel_, frame, address);
    if (!object) return;
    place.name += " " + object->cache;
    if (!object->free) return;
    place.name += *object->free ? ", freed object" : ", object in use";
    if (*object->free) place.kind = PlaceKind::free;
  }

  void name_kernel(const PageFrame& frame, vm::PhysicalAddress address, Place& place) const {
    const auto alias = kernel_mappings_.find(address & kPageMask);
    if (alias != kernel_mappings_.end() && alias->second != 0) {
      return name_kernel_mapping(alias->second + (address & ~kPageMask), place);
    }
    place.name = "kernel page";
    if (frame.order > 0) {
      place.name += " (of a block of " + std::to_string(1U << std::min(frame.order, 20U)) + ")";
    }
    name_per_cpu(address, place);
  }

  void name_per_cpu(vm::PhysicalAddress address, Place& place) const {
    const auto linear = kernel_.variable<std::uint64_t>("page_offset_base");
    const auto base = kernel_.variable<std::uint64_t>("pcpu_base_addr");
    const auto unit = kernel_.variable<std::int32_t>("pcpu_unit_size");
    const auto units = kernel_.variable<std::int32_t>("pcpu_nr_units");
    if (!linear || !base || !unit || !units || *unit <= 0 || *units <= 0) return;
    const vm::VirtualAddress at = *linear + address;
    if (at < *base) return;
    const std::uint64_t index = (at - *base) / static_cast<std::uint32_t>(*unit);
    if (index >= static_cast<std::uint32_t>(*units)) return;
    place.kind = PlaceKind::kernel;
    place.name = "per-CPU memory of CPU " + std::to_string(index);
  }

  void name_kernel_mapping(vm::VirtualAddress at, Place& place) const {
    for (const Task& task : tasks_) {
      if (task.stack != 0 && at >= task.stack && at - task.stack < kKernelStack) {
        place.name = "kernel stack of " + describe(task);
        return;
      }
    }
    if (const auto module = module_of(at)) {
      place.name = "memory of module " + *module;
      return;
    }
    place.name = "vmalloc memory";
    if (const auto area = vmalloc_caller(at)) place.name += " made by " + *area;
  }

  std::optional<std::string> module_of(vm::VirtualAddress at) const {
    const auto head = kernel_.symbols().find("modules");
    const auto name = kernel_.offset_of("module", "name");
    if (!head || !name) return std::nullopt;
    std::optional<std::string> found;
    kernel_.for_each_on_list(*head, "module", "list", [&](vm::VirtualAddress module) {
      if (!in_module(module, at)) return true;
      found = kernel_.text(module + *name, kModuleNameLength);
      return false;
    });
    return found;
  }

  bool in_module(vm::VirtualAddress module, vm::VirtualAddress at) const {
    const auto covers = [&](vm::VirtualAddress layout, const char* type) {
      const auto base = kernel_.member(layout, type, "base");
      const auto size = kernel_.member<std::uint32_t>(layout, type, "size");
      return base && size && at >= *base && at - *base < *size;
    };
    if (const auto layout = kernel_.offset_of("module", "core_layout")) {
      return covers(module + *layout, "module_layout");
    }
    // Since 6.4: one entry for each kind of memory.
    const auto memory = kernel_.offset_of("module", "mem");
    const auto kinds = kernel_.symbols().enumerator("mod_mem_type", "MOD_MEM_NUM_TYPES");
    if (!memory || !kinds) return false;
    const std::uint64_t size = kernel_.symbols().size("module_memory");
    for (std::uint64_t i = 0; i < std::min<std::uint64_t>(*kinds, 16); ++i) {
      if (covers(module + *memory + i * size, "module_memory")) return true;
    }
    return false;
  }

  /// Who made the vmalloc area (kernels up to 6.8 keep a list of them).
  std::optional<std::string> vmalloc_caller(vm::VirtualAddress at) const {
    const auto head = kernel_.symbols().find("vmap_area_list");
    if (!head) return std::nullopt;
    std::optional<std::string> found;
    kernel_.for_each_on_list(*head, "vmap_area", "list", [&](vm::VirtualAddress area) {
      const auto start = kernel_.member(area, "vmap_area", "va_start");
      const auto end = kernel_.member(area, "vmap_area", "va_end");
      if (!start || !end) return false;
      if (at < *start || at >= *end) return true;
      const auto vm = kernel_.member(area, "vmap_area", "vm");
      const auto caller = vm ? kernel_.member(*vm, "vm_struct", "caller") : std::nullopt;
      const auto near = caller ? kernel_.symbols().nearest(*caller) : std::nullopt;
      if (near) found = near->symbol;
      return false;
    });
    return found;
  }

  static std::string describe(const Task& task) {
    return task.command + " (pid " + std::to_string(task.pid) + ")";
  }

  static void name_user(const PageFrame& frame, const std::vector<Mapping>& users, Place& place) {
    std::string list;
    for (std::size_t i = 0; i < std::min(users.size(), kMappingsNamed); ++i) {
      if (i > 0) list += " and ";
      list += describe(users[i].task) + " at " + hexadecimal(users[i].translation.virtual_address);
    }
    if (users.size() > kMappingsNamed) {
      list += " and " + std::to_string(users.size() - kMappingsNamed) + " more";
    }
    if (frame.use == PageUse::anonymous) {
      place.name += " of " + list;
    } else {
      if (frame.use != PageUse::file) place.kind = PlaceKind::shared;
      place.name += ", mapped by " + list;
    }
  }

  /// What the NIC has to do with the page goes first.
  void name_ring(const PageFrame& frame, vm::PhysicalAddress address, Place& place) const {
    for (const NamedRing& ring : rings_) {
      const bool receive = ring.direction == Direction::receive;
      if (const NicDescriptor* descriptor = descriptor_of(ring, address)) {
        place.name = (receive ? "receive buffer " : "transmit buffer ") +
                     std::to_string(descriptor->index) + " of " + ring.nic + " (" + ring.model +
                     "), " + place.name;
        // A page that is also the user's or the cache's keeps that kind: it is the point.
        if (place.kind == PlaceKind::kernel || place.kind == PlaceKind::slab) {
          place.kind = PlaceKind::nic_buffer;
        }
        return;
      }
      if (receive && place.kind == PlaceKind::kernel && in_block_of(ring, frame)) {
        place.kind = PlaceKind::packet;
        place.name = "packet data beside receive buffers of " + ring.nic + " (" + ring.model +
                     "), " + place.name;
        return;
      }
    }
  }

  /// Drivers cut receive buffers from blocks of pages. A buffer that went up the stack with its
  /// packet is no longer in the ring, but its neighbours are.
  static bool in_block_of(const NamedRing& ring, const PageFrame& frame) {
    if (frame.order == 0 || frame.order > 20) return false;
    const std::uint64_t size = std::uint64_t{4096} << frame.order;
    return std::any_of(
        ring.descriptors.begin(), ring.descriptors.end(), [&](const NicDescriptor& descriptor) {
          return descriptor.buffer >= frame.block && descriptor.buffer - frame.block < size;
        });
  }

  const vm::KernelView& kernel_;
  const vm::MachineSpec& spec_;
  const std::vector<NamedRing>& rings_;
  const std::vector<Task>& tasks_;
  PageFrames frames_;
  std::vector<std::vector<Mapping>> mappings_;
  std::map<vm::PhysicalAddress, vm::VirtualAddress> kernel_mappings_;
};

}  // namespace

std::vector<NamedRing> read_rings(vm::Machine& machine) {
  std::vector<NamedRing> rings;
  for (const vm::NicSpec& nic : machine.spec().nics) {
    if (!ring_is_readable(machine.spec(), nic.id)) continue;
    for (const Direction direction : {Direction::receive, Direction::transmit}) {
      rings.push_back({nic.id, nic.model, direction, read_ring(machine, nic.id, direction)});
    }
  }
  return rings;
}

const NicDescriptor* descriptor_of(const NamedRing& ring, vm::PhysicalAddress address) {
  for (const NicDescriptor& descriptor : ring.descriptors) {
    if (address >= descriptor.buffer && address - descriptor.buffer < descriptor.capacity) {
      return &descriptor;
    }
  }
  return nullptr;
}

void name_places(const vm::KernelView& kernel, const vm::MachineSpec& spec,
                 const std::vector<NamedRing>& rings, const std::vector<Task>& tasks,
                 Census& census) {
  std::vector<vm::PhysicalAddress> addresses;
  for (const Place& place : census.places) addresses.push_back(place.first_byte());
  const Namer namer(kernel, spec, rings, tasks, addresses);
  for (std::size_t i = 0; i < census.places.size(); ++i) {
    namer.name(i, addresses[i], census.places[i]);
  }
}

void name_places(vm::Machine& machine, Census& census) {
  const vm::KernelView kernel = vm::KernelView::of(machine);
  name_places(kernel, machine.spec(), read_rings(machine), read_tasks(kernel), census);
}

}  // namespace zcl::xray
