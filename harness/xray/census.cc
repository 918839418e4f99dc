// SPDX-License-Identifier: MIT
#include "harness/xray/census.hh"

#include <algorithm>
#include <atomic>
#include <map>
#include <mutex>
#include <stdexcept>
#include <thread>
#include <utility>

namespace zcl::xray {
namespace {

/// Starting positions that a thread takes at once: small enough to share the work evenly.
constexpr std::size_t kShare = 1U << 20;

/// Offset in a mark of the two bytes that all marks of a payload of ours share.
constexpr std::size_t kBeacon = 7;

/// A run of physical memory that was written to.
struct Run {
  vm::PhysicalAddress address = 0;
  base::ByteView bytes;
};

struct Hit {
  vm::PhysicalAddress address = 0;
  std::size_t offset = 0;  ///< of the mark in the payload
};

std::vector<Run> populated_runs(const vm::GuestMemory& memory) {
  std::vector<Run> runs;
  memory.for_each_populated([&](vm::PhysicalAddress address, base::ByteView bytes) {
    if (!runs.empty()) {
      Run& last = runs.back();
      if (last.address + last.bytes.size() == address &&
          last.bytes.data() + last.bytes.size() == bytes.data()) {
        last.bytes = {last.bytes.data(), last.bytes.size() + bytes.size()};
        return;
      }
    }
    runs.push_back({address, bytes});
  });
  return runs;
}

/// Hits of all threads, with an upper bound that a hostile guest cannot exceed by much.
class Hits {
 public:
  explicit Hits(const Payload& payload)
      : payload_(payload), limit_(kMostPlaces * payload.mark_offsets().size()) {}

  /// `start`: the address of the memory that was searched.
  void add(vm::PhysicalAddress start, const std::vector<Found>& found) {
    const std::lock_guard lock(mutex_);
    for (const Found& one : found) {
      hits_.push_back({start + one.offset, payload_.mark_offsets()[one.needle]});
    }
    if (hits_.size() > limit_) full_ = true;
  }
  [[nodiscard]] bool full() const { return full_; }
  std::vector<Hit> take() { return std::move(hits_); }

 private:
  const Payload& payload_;
  std::size_t limit_;
  std::mutex mutex_;
  std::vector<Hit> hits_;
  std::atomic<bool> full_ = false;
};

Searcher searcher_for(const Payload& payload) {
  std::vector<base::Bytes> marks;
  for (const std::size_t offset : payload.mark_offsets()) {
    const auto start = payload.bytes().begin() + static_cast<std::ptrdiff_t>(offset);
    marks.emplace_back(start, start + kMarkBytes);
  }
  return Searcher(std::move(marks));
}

/// Every mark that starts at [from, from + count) of the run.
void search_share(const Run& run, std::size_t from, std::size_t count, const Searcher& searcher,
                  Hits& hits) {
  // A mark may start in this share and end in the next.
  const std::size_t length = std::min(count + kMarkBytes - 1, run.bytes.size() - from);
  std::vector<Found> found;
  searcher.search(run.bytes.subspan(from, length), found);
  if (!found.empty()) hits.add(run.address + from, found);
}

/// Marks that reach over an end of the run into memory that was never written and reads as zeros.
void search_seams(const vm::GuestMemory& memory, const Run& run, const Searcher& searcher,
                  Hits& hits) {
  constexpr std::size_t kSide = kMarkBytes - 1;
  const std::size_t side = std::min(kSide, run.bytes.size());
  const vm::PhysicalAddress end = run.address + run.bytes.size();
  const auto search = [&](vm::PhysicalAddress start, const base::Bytes& seam) {
    std::vector<Found> found;
    searcher.search(seam, found);
    if (!found.empty()) hits.add(start, found);
  };
  if (run.address >= kSide && memory.contains(run.address - kSide, kSide)) {
    base::Bytes seam(kSide);
    const base::ByteView first = run.bytes.first(side);
    seam.insert(seam.end(), first.begin(), first.end());
    search(run.address - kSide, seam);
  }
  if (memory.contains(end, kSide)) {
    const base::ByteView last = run.bytes.last(side);
    base::Bytes seam(last.begin(), last.end());
    seam.resize(side + kSide);
    search(end - side, seam);
  }
}

std::vector<Hit> search_runs(const vm::GuestMemory& memory, const std::vector<Run>& runs,
                             const Payload& payload, unsigned threads) {
  struct Share {
    const Run* run;
    std::size_t from;
    std::size_t count;
  };
  std::vector<Share> shares;
  for (const Run& run : runs) {
    for (std::size_t from = 0; from < run.bytes.size(); from += kShare) {
      shares.push_back({&run, from, std::min(kShare, run.bytes.size() - from)});
    }
  }
  const Searcher searcher = searcher_for(payload);
  Hits hits(payload);
  std::atomic<std::size_t> next = 0;
  const auto work = [&] {
    for (std::size_t i = next++; i < shares.size() && !hits.full(); i = next++) {
      search_share(*shares[i].run, shares[i].from, shares[i].count, searcher, hits);
    }
  };
  if (threads == 0) threads = std::max(1U, std::thread::hardware_concurrency());
  {
    std::vector<std::jthread> helpers;
    for (unsigned i = 1; i < std::min<std::size_t>(threads, shares.size()); ++i) {
      helpers.emplace_back(work);
    }
    work();
  }
  for (const Run& run : runs) search_seams(memory, run, searcher, hits);
  return hits.take();
}

void set_flag(const Payload& payload, Place& place, std::size_t mark_offset) {
  place.head = place.head || mark_offset == payload.mark_offset(Mark::head);
  place.middle = place.middle || mark_offset == payload.mark_offset(Mark::middle);
  place.tail = place.tail || mark_offset == payload.mark_offset(Mark::tail);
}

/// Grows [begin, end), which is known to match, to all bytes around it that match too.
void measure(const vm::GuestMemory& memory, const Payload& payload, Place& place) {
  const base::Bytes& bytes = payload.bytes();
  const auto matches = [&](std::size_t offset) {
    const vm::PhysicalAddress at = place.address + offset;
    return memory.contains(at) && memory.view(at, 1)[0] == bytes[offset];
  };
  while (place.begin > 0 && matches(place.begin - 1)) --place.begin;
  while (place.end < bytes.size() && matches(place.end)) ++place.end;
}

/// Hits of one piece of memory, joined: those that imply the same first byte of the payload with
/// nothing but payload between them.
std::vector<Place> join(const vm::GuestMemory& memory, const Payload& payload,
                        std::vector<Hit> hits) {
  std::sort(hits.begin(), hits.end(), [](const Hit& a, const Hit& b) {
    // Implied addresses may wrap below zero; equal ones still compare equal.
    return std::pair(a.address - a.offset, a.offset) < std::pair(b.address - b.offset, b.offset);
  });
  std::vector<Place> places;
  for (const Hit& hit : hits) {
    const vm::PhysicalAddress start = hit.address - hit.offset;
    if (!places.empty() && places.back().address == start &&
        places.back().end >= hit.offset + kMarkBytes) {
      set_flag(payload, places.back(), hit.offset);
      continue;
    }
    Place place;
    place.address = start;
    place.begin = hit.offset;
    place.end = hit.offset + kMarkBytes;
    set_flag(payload, place, hit.offset);
    measure(memory, payload, place);
    place.complete = place.length() == payload.bytes().size();
    places.push_back(place);
  }
  std::sort(places.begin(), places.end(),
            [](const Place& a, const Place& b) { return a.first_byte() < b.first_byte(); });
  return places;
}

}  // namespace

Payload::Payload(base::RandomStream& random, std::size_t length)
    : Payload(random.bytes(std::max(length, kShortestPayload))) {
  if (length < kShortestPayload) throw std::invalid_argument("payload shorter than its marks");
  const std::vector<std::size_t> ends{0, mark_offset(Mark::middle), mark_offset(Mark::tail)};
  mark_offsets_.clear();
  for (std::size_t i = 0; i + 1 < ends.size(); ++i) {
    for (std::size_t at = ends[i]; at == ends[i] || at + kMarkBytes <= ends[i + 1];
         at += kMarkSpacing) {
      mark_offsets_.push_back(at);
    }
  }
  mark_offsets_.push_back(ends.back());
  // Two different bytes that are neither zero, nor ones, nor text: rare in a guest's memory.
  const std::uint64_t first = random.below(0x7f);
  const std::uint64_t second = (first + 1 + random.below(0x7e)) % 0x7f;
  for (const std::size_t offset : mark_offsets_) {
    bytes_[offset + kBeacon] = static_cast<std::uint8_t>(0x80 + first);
    bytes_[offset + kBeacon + 1] = static_cast<std::uint8_t>(0x80 + second);
  }
}

Payload::Payload(base::Bytes bytes) : bytes_(std::move(bytes)) {
  if (bytes_.size() < kShortestPayload) {
    throw std::invalid_argument("payload shorter than its marks: " + std::to_string(bytes_.size()) +
                                " bytes, at least " + std::to_string(kShortestPayload));
  }
  for (const Mark which : {Mark::head, Mark::middle, Mark::tail}) {
    const base::ByteView view = mark(which);
    if (std::all_of(view.begin(), view.end(), [&](auto byte) { return byte == view[0]; })) {
      throw std::invalid_argument("a mark of the payload is one byte repeated");
    }
    mark_offsets_.push_back(mark_offset(which));
  }
}

std::size_t Payload::mark_offset(Mark mark) const {
  if (mark == Mark::head) return 0;
  const std::size_t tail = bytes_.size() - kMarkBytes;
  return mark == Mark::tail ? tail : tail / 2;
}

base::ByteView Payload::mark(Mark mark) const {
  return base::ByteView(bytes_).subspan(mark_offset(mark), kMarkBytes);
}

std::string to_string(PlaceKind kind) {
  switch (kind) {
    case PlaceKind::unknown:
      return "unknown";
    case PlaceKind::nic_buffer:
      return "nic_buffer";
    case PlaceKind::packet:
      return "packet";
    case PlaceKind::kernel:
      return "kernel";
    case PlaceKind::slab:
      return "slab";
    case PlaceKind::page_cache:
      return "page_cache";
    case PlaceKind::user:
      return "user";
    case PlaceKind::shared:
      return "shared";
    case PlaceKind::reserved:
      return "reserved";
    case PlaceKind::free:
      return "free";
  }
  return "unknown";
}

std::size_t Census::copies() const {
  // Counted over windows of a mark's length, not single bytes: a byte beside a piece matches by
  // chance once in 256 times, sixteen of them never.
  std::map<std::size_t, std::ptrdiff_t> changes;
  for (const Place& place : places) {
    if (place.length() < kMarkBytes) continue;
    ++changes[place.begin];
    --changes[place.end - kMarkBytes + 1];
  }
  std::ptrdiff_t now = 0;
  std::ptrdiff_t most = 0;
  for (const auto& [offset, change] : changes) {
    now += change;
    most = std::max(most, now);
  }
  return static_cast<std::size_t>(most);
}

Census take_census(const vm::GuestMemory& memory, const Payload& payload, unsigned threads) {
  const std::vector<Run> runs = populated_runs(memory);
  Census census;
  for (const Run& run : runs) census.bytes_searched += run.bytes.size();
  std::vector<Hit> hits = search_runs(memory, runs, payload, threads);
  census.places = join(memory, payload, std::move(hits));
  if (census.places.size() > kMostPlaces) {
    census.places.resize(kMostPlaces);
    census.truncated = true;
  }
  return census;
}

}  // namespace zcl::xray
