// SPDX-License-Identifier: MIT
#include "labs/03_dma_driver/host/rx_run.hh"

#include <cstdio>
#include <stdexcept>

#include "harness/vm/instruction_counter.hh"
#include "harness/vm/interrupt_counter.hh"
#include "harness/vm/qemu_command.hh"

namespace zcl::lab03 {

namespace {

// Tags of user/rx_traffic.hh.
constexpr std::uint16_t kMarkBegin = 1;
constexpr std::uint16_t kMarkEnd = 2;
constexpr std::uint16_t kMarkSenderBegin = 3;
constexpr std::uint16_t kMarkSenderEnd = 4;

constexpr std::uint64_t kRegisterBytes = 0x20000;  ///< of an e1000

/// Enough that a timer tick of the kernel is lost among them.
constexpr unsigned kPackets = 10240;
constexpr unsigned kLossPackets = 60000;

base::Deadline soon(const std::string& what) {
  return base::Deadline(what, std::chrono::seconds(120));
}

/// Sum over all windows that begin and end with these marks; zeros where there are none.
vm::InstructionCounts sum_of_windows(const std::vector<vm::CounterMark>& marks, std::uint16_t begin,
                                     std::uint16_t end) {
  vm::InstructionCounts sum;
  const vm::CounterMark* open = nullptr;
  for (const auto& mark : marks) {
    if (mark.tag == begin) open = &mark;
    if (mark.tag != end || open == nullptr) continue;
    const auto window = mark.counts - open->counts;
    sum.user += window.user;
    sum.kernel += window.kernel;
    sum.system_calls += window.system_calls;
    open = nullptr;
  }
  return sum;
}

/// What the host sees of the receiving card at one moment. The machine stands still meanwhile.
struct CardCounts {
  std::uint64_t interrupts = 0;
  std::uint64_t register_accesses = 0;
};

class CardCounter {
 public:
  explicit CardCounter(vm::Machine& machine)
      : machine_(machine),
        // A line's number in Linux is its pin at the I/O APIC.
        pin_("ioapic:" +
             machine.agent().get_text("/sys/bus/pci/devices/" +
                                      vm::pci_address(machine.spec(), kRxCard) + "/irq")),
        registers_(machine.device_bar(kRxCard)) {}

  [[nodiscard]] CardCounts look() {
    machine_.pause();
    const auto accesses =
        machine_.counter().register_accesses(registers_, registers_ + kRegisterBytes);
    const auto interrupts = machine_.interrupts();
    machine_.resume();
    const auto raised = interrupts.find(pin_);
    return {.interrupts = raised == interrupts.end() ? 0 : raised->second,
            .register_accesses = accesses.reads + accesses.writes};
  }

 private:
  vm::Machine& machine_;
  std::string pin_;
  std::uint64_t registers_;
};

std::vector<std::string> arguments(const vm::MachineSpec& spec, const std::string& program,
                                   const RxPoint& point) {
  const auto directory = [&](const char* card) {
    return "/sys/bus/pci/devices/" + vm::pci_address(spec, card);
  };
  const bool lockstep = point.traffic == RxTraffic::lockstep;
  const bool loss = point.traffic == RxTraffic::loss;
  return {program,
          point.receiver,
          directory(kRxCard),
          directory(kRxSender),
          point.udp ? "udp" : "plain",
          std::to_string(point.frame_bytes),
          std::to_string(loss ? kLossPackets : kPackets),
          lockstep ? "lockstep"
          : loss   ? "loss"
                   : "paced",
          std::to_string(lockstep ? point.burst : point.kpps)};
}

/// A line of the program. Where there is none, the program has failed: throws why.
std::string read_line(vm::GuestProcess& process, const std::string& what) {
  try {
    return process.read_line(soon(what));
  } catch (const vm::GuestError&) {
    const auto result = process.wait(soon("its end"));
    throw std::runtime_error("the receiver failed: " + result.error);
  }
}

}  // namespace

vm::MachineSpec rx_machine(const std::string& kernel) {
  vm::MachineSpec spec;
  const std::map<std::string, std::string> unmoderated = {{"mitigation", "off"}};
  spec.nics = {{.id = kRxCard, .model = "e1000", .hub = "lan", .properties = unmoderated},
               {.id = kRxSender, .model = "e1000", .hub = "lan", .properties = unmoderated}};
  spec.boot_modules = {"e1000", "uio_pci_generic"};
  spec.mode = vm::Mode::count;
  spec.kernel = kernel;
  return spec;
}

RxResult measure_rx(vm::Machine& machine, const std::string& program, const RxPoint& point) {
  CardCounter card(machine);
  const auto first_mark = machine.counter().marks_written();
  auto process = machine.agent().start({.argv = arguments(machine.spec(), program, point)});
  read_line(process, "the receiver is ready");
  const auto before = card.look();
  process.write_input("g");
  const std::string line = read_line(process, "the receiver has measured");
  const auto after = card.look();
  process.write_input("e");
  const auto end = process.wait(soon("the receiver's end"));
  if (!end.ok()) throw std::runtime_error("the receiver failed: " + end.error);

  RxResult result;
  unsigned long long offered = 0;
  unsigned long long delivered = 0;
  if (std::sscanf(line.c_str(), "offered %llu delivered %llu", &offered, &delivered) != 2 ||
      delivered == 0 || delivered > offered) {
    throw std::runtime_error("the receiver says \"" + line.substr(0, 80) + "\"");
  }
  result.offered = offered;
  result.delivered = delivered;
  const auto marks = machine.counter().marks(first_mark);
  const auto counts = sum_of_windows(marks, kMarkBegin, kMarkEnd);
  const auto sender = sum_of_windows(marks, kMarkSenderBegin, kMarkSenderEnd);
  const auto each = [&](std::uint64_t all, std::uint64_t senders) {
    return (static_cast<double>(all) - static_cast<double>(senders)) /
           static_cast<double>(delivered);
  };
  result.instructions = each(counts.total(), sender.total());
  result.user_instructions = each(counts.user, sender.user);
  result.kernel_instructions = each(counts.kernel, sender.kernel);
  result.syscalls = each(counts.system_calls, sender.system_calls);
  result.interrupts = each(after.interrupts, before.interrupts);
  result.register_accesses = each(after.register_accesses, before.register_accesses);
  return result;
}

}  // namespace zcl::lab03
