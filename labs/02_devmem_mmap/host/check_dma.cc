// SPDX-License-Identifier: MIT
// Step `dma`: the device's memory was filled with bytes that the host chose before the driver was
// loaded. They can reach RAM by the device's own DMA engine only.
#include <algorithm>

#include "harness/vm/interrupt_counter.hh"
#include "harness/xray/census.hh"
#include "labs/02_devmem_mmap/host/bench.hh"
#include "labs/02_devmem_mmap/host/checks.hh"

namespace zcl::lab02 {

namespace {

constexpr unsigned kBufferPages = 16;
constexpr std::uint64_t kBufferBytes = kBufferPages * kPage;

// Registers of the device, as the host reads them (QEMU docs/specs/edu.txt).
constexpr std::uint64_t kDmaTarget = 0x88;
constexpr std::uint64_t kDmaBytes = 0x90;

/// Of the device's own registers, for one transfer. The interrupt handler reads the causes once,
/// and once more for each interrupt of another device on its line; polling for 100 ms of guest time
/// would be ten thousands of reads.
constexpr std::uint64_t kMostRegisterReads = 20;

std::string acquire(const std::string& file, unsigned area, std::uint64_t device_offset,
                    std::uint64_t bytes, std::uint64_t area_offset) {
  return "acquire " + file + " " + std::to_string(area) + " " + std::to_string(device_offset) +
         " " + std::to_string(bytes) + " " + to_hex(area_offset);
}

}  // namespace

void check_dma(lab::CheckContext& context) {
  auto machine = context.start("edu");
  const auto content = context.random().bytes(kDeviceBytes);
  load_device(context, machine, content);
  load_driver(context, machine, kBufferPages, "msi=0");
  Probe probe(context, machine);
  const auto daq = open_file(probe, "/dev/daq0", "r");
  const auto view = map_readable(probe, daq, kViewPfn, kBufferBytes, "mmap of the buffer");

  struct Transfer {
    std::uint64_t device_offset;
    std::uint64_t bytes;
    std::uint64_t area_offset;
  };
  const std::uint64_t offset = context.random().below(1000);
  const Transfer transfers[] = {
      {offset, 1000, 5 * kPage + 64}, {offset + 1000, 2000, 9 * kPage + 512}, {3999, 96, kPage}};
  const auto interrupts_before = machine.interrupts();
  const auto bar = machine.device_bar("edu");
  const auto reads_of_device = [&] {
    return machine.counter().register_accesses(bar, bar + kPage).reads;
  };
  const auto reads_before = reads_of_device();
  for (const auto& transfer : transfers) {
    probe.must(acquire(daq, 0, transfer.device_offset, transfer.bytes, transfer.area_offset),
               "DAQ_ACQUIRE of " + std::to_string(transfer.bytes) + " bytes");
  }
  const auto reads = reads_of_device() - reads_before;
  const auto raised = vm::difference(machine.interrupts(), interrupts_before);

  const Pause pause(machine);
  for (const auto& transfer : transfers) {
    const auto begin = content.begin() + static_cast<std::ptrdiff_t>(transfer.device_offset);
    const xray::Payload sample(
        base::Bytes(begin, begin + static_cast<std::ptrdiff_t>(transfer.bytes)));
    const auto census = xray::take_census(machine.memory(), sample);
    const auto where = lookup(machine, probe.pid(), view + transfer.area_offset);
    context.require(
        where && census.copies() == 1 && census.places.front().address == where->physical_address,
        "The device's bytes stand in " + std::to_string(census.copies()) +
            " places of RAM; they must stand in one, where the program's page table "
            "leads to.");
  }
  const auto& last = transfers[std::size(transfers) - 1];
  const auto target = lookup(machine, probe.pid(), view + last.area_offset);
  context.require(target &&
                      machine.read_physical_u32(bar + kDmaTarget) == target->physical_address &&
                      machine.read_physical_u32(bar + kDmaBytes) == last.bytes,
                  "The engine's registers do not hold the last transfer.");
  std::uint64_t lines = 0;
  for (const auto& [pin, count] : raised) {
    // The PCI bus's lines are the pins from 16 on of the q35 chipset's IOAPIC.
    if (pin.starts_with("ioapic:") && std::stoul(pin.substr(7)) >= 16) lines += count;
  }
  context.require(lines == std::size(transfers), std::to_string(std::size(transfers)) +
                                                     " transfers raised " + std::to_string(lines) +
                                                     " interrupts; one each is right.");
  context.require(reads <= kMostRegisterReads * std::size(transfers),
                  std::to_string(reads) +
                      " register reads for three transfers: the driver polls instead of sleeping.");
  context.require_quiet_kernel(machine);
  context.observed("three transfers, three interrupts, " + std::to_string(reads) +
                   " register reads, one place each");
}

void check_dma_bounds(lab::CheckContext& context) {
  auto machine = context.start("edu");
  const auto content = context.random().bytes(kDeviceBytes);
  const auto secret = context.random().bytes(kMarkBytes);
  load_device(context, machine, content);
  write_reserved(context, machine, kSecret, secret);
  load_driver(context, machine, kBufferPages);
  Probe probe(context, machine);
  const auto daq = open_file(probe, "/dev/daq0", "r");

  struct Bad {
    unsigned area;
    std::uint64_t device_offset;
    std::uint64_t bytes;
    std::uint64_t area_offset;
    const char* what;
  };
  const Bad all_bad[] = {
      {1, 0, 128, kRegionBytes - 64, "a transfer that ends after the region"},
      {1, 0, 64, kRegionBytes, "a transfer to the page after the region"},
      {1, 0, 64, 0xffffffffffffffc0, "an area offset that wraps"},
      {0, 0, 64, kBufferBytes, "a transfer to the page after the buffer"},
      {2, 0, 64, 0, "an area that does not exist"},
      {0xffffffff, 0, 64, 0, "area -1"},
      {0, 0, 0, 0, "no bytes"},
      {0, 0, 4096, 0, "the device's last byte"},
      {0, 4095, 1, 0, "a device offset of 4095"},
      {0, 4000, 96, 0, "96 bytes from device offset 4000"},
      {0, 0xffffffff, 2, 0, "a device offset that wraps"},
      {0, 1, 0xffffffff, 0, "four billion bytes"},
  };
  for (const auto& bad : all_bad) {
    const auto answer =
        probe.ask(acquire(daq, bad.area, bad.device_offset, bad.bytes, bad.area_offset));
    context.require(!answer.ok, std::string("DAQ_ACQUIRE of ") + bad.what + " is not refused.");
  }
  // _IOW('q', 2, struct of 24 bytes), its `zero` set.
  const auto answer = probe.ask("ioctl " + daq + " 0x40187102 00000000" + "00000000" + "40000000" +
                                "01000000" + std::string(16, '0'));
  context.require(!answer.ok, "DAQ_ACQUIRE with its `zero` field set is not refused.");
  probe.must(acquire(daq, 1, 0, 64, kRegionBytes - 64), "DAQ_ACQUIRE of the region's last bytes");
  const Pause pause(machine);
  context.require(std::ranges::equal(machine.memory().view(kSecret, kMarkBytes), secret),
                  "The device wrote to memory after the region.");
  context.require_quiet_kernel(machine);
  context.observed(std::to_string(std::size(all_bad) + 1) +
                   " requests refused; memory after the region untouched");
}

void check_dma_iommu(lab::CheckContext& context) {
  // No program can fill the device here (its DMA needs the driver's mapping), so its memory holds
  // zeros, and a transfer shows as zeros in a pattern that the host chose.
  auto machine = context.start("iommu");
  load_driver(context, machine, kBufferPages);
  Probe probe(context, machine);
  const auto daq = open_file(probe, "/dev/daq0", "rw");
  const auto pattern = context.random().bytes(256);
  probe.must("fill " + daq + " " + to_hex(7 * kPage) + " " + to_hex(pattern),
             "writing a pattern to /dev/daq0");
  const auto view = map_readable(probe, daq, kViewPfn, kBufferBytes, "mmap of the buffer");
  probe.must(acquire(daq, 0, 0, 100, 7 * kPage + 32), "DAQ_ACQUIRE behind an IOMMU");

  const Pause pause(machine);
  auto expected = pattern;
  std::fill_n(expected.begin() + 32, 100, std::uint8_t{0});
  const auto page = lookup(machine, probe.pid(), view + 7 * kPage);
  context.require(
      page && std::ranges::equal(machine.memory().view(page->physical_address, 256), expected),
      "Behind an IOMMU the device's bytes do not arrive.");
  const auto target = machine.read_physical_u32(machine.device_bar("edu") + kDmaTarget);
  context.require(target != page->physical_address + 32,
                  "The engine was given the physical address " + to_hex(target) +
                      " and not the one of the DMA API.");
  context.require_quiet_kernel(machine);
  context.observed("the device wrote to bus address " + to_hex(target) + ", which is physical " +
                   to_hex(page->physical_address + 32));
}

}  // namespace zcl::lab02
