// SPDX-License-Identifier: MIT
#include "labs/03_dma_driver/host/ring_view.hh"

#include <algorithm>

#include "harness/lab/procedure.hh"
#include "labs/common/host/evidence.hh"

namespace zcl::lab03 {

namespace {

using labs::kPage;

constexpr std::uint32_t kMostFragments = 16;

/// The first four words of the header.
struct Header {
  std::uint32_t magic;
  std::uint32_t version;
  std::uint32_t rx_slots;
  std::uint32_t tx_slots;
};

}  // namespace

RingView::RingView(vm::Machine& machine, const RingPlace& place, const RingShape& shape)
    : machine_(machine), place_(place), shape_(shape), space_(labs::space_of(machine, place.pid)) {
  for (std::uint64_t at = 0; at < shape.page_bytes(); at += kPage) {
    const auto page = vm::walk(machine.memory(), space_, place.page + at);
    if (!page || !machine.memory().contains(page->physical_address, kPage)) {
      throw lab::CheckFailed("The program's page table has no entry for the ring page.");
    }
    pages_.push_back(page->physical_address);
  }
}

RingView::RingView(vm::Machine& machine, vm::PhysicalAddress page, const RingPlace& place,
                   const RingShape& shape)
    : machine_(machine),
      place_(place),
      shape_(shape),
      pages_({page}),
      space_(labs::space_of(machine, place.pid)) {
  if (shape.page_bytes() > kPage) throw std::logic_error("only a ring of one page can be searched");
}

template <typename T>
T RingView::load(std::uint64_t offset) const {
  return machine_.memory().load<T>(pages_.at(offset / kPage) + offset % kPage);
}

zcl_queue RingView::queue_of(Queue queue) const {
  return load<zcl_queue>(queue == Queue::receive ? offsetof(zcl_ring_page, rxq)
                                                 : offsetof(zcl_ring_page, txq));
}

std::uint32_t RingView::slots(Queue queue) const {
  return queue == Queue::receive ? shape_.rx_slots : shape_.tx_slots;
}

zcl_descriptor RingView::descriptor(Queue queue, std::uint32_t index) const {
  const std::uint32_t before = queue == Queue::receive ? 0 : shape_.rx_slots;
  const std::uint32_t slot = before + (index & (slots(queue) - 1));
  return load<zcl_descriptor>(sizeof(zcl_ring_page) + slot * sizeof(zcl_descriptor));
}

std::optional<vm::PhysicalAddress> RingView::buffer(std::uint32_t index) const {
  if (index >= place_.buffers || place_.pool == 0) return std::nullopt;
  const auto found =
      vm::walk(machine_.memory(), space_, place_.pool + std::uint64_t{index} * shape_.buffer_bytes);
  if (!found || !machine_.memory().contains(found->physical_address, shape_.buffer_bytes)) {
    return std::nullopt;
  }
  return found->physical_address;
}

base::Bytes RingView::packet(std::uint32_t index, std::uint32_t& next) const {
  base::Bytes bytes;
  next = index;
  for (std::uint32_t i = 0; i < kMostFragments; ++i) {
    const auto slot = descriptor(Queue::receive, next++);
    const auto place = buffer(slot.buffer);
    const bool starts = (slot.flags & ZCL_START_OF_PACKET) != 0;
    if (!place || slot.length > shape_.buffer_bytes || starts != (i == 0)) return {};
    const auto part = machine_.memory().view(*place, slot.length);
    bytes.insert(bytes.end(), part.begin(), part.end());
    if ((slot.flags & ZCL_END_OF_PACKET) != 0) return bytes;
  }
  return {};
}

std::vector<vm::PhysicalAddress> find_ring_pages(const vm::GuestMemory& memory,
                                                 const RingShape& shape) {
  const Header wanted{ZCL_RING_MAGIC, ZCL_RING_VERSION, shape.rx_slots, shape.tx_slots};
  std::vector<vm::PhysicalAddress> found;
  memory.for_each_populated([&](vm::PhysicalAddress start, base::ByteView bytes) {
    for (auto at = (start + kPage - 1) / kPage * kPage; at + kPage <= start + bytes.size();
         at += kPage) {
      if (std::memcmp(bytes.data() + (at - start), &wanted, sizeof wanted) == 0) {
        found.push_back(at);
      }
    }
  });
  return found;
}

}  // namespace zcl::lab03
