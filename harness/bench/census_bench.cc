// SPDX-License-Identifier: MIT
// How fast a census is, as a fraction of how fast the same threads can read the same memory.
#include <benchmark/benchmark.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "harness/vm/guest_memory.hh"
#include "harness/xray/census.hh"

namespace zcl::xray {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::uint64_t kSize = 1ULL << 30;

/// Guest RAM of 1 GiB in a shared memory file, filled like a busy guest's: a quarter zeros, a
/// quarter text-like, half random.
class Ram {
 public:
  Ram() : file_(::memfd_create("census_bench", MFD_CLOEXEC)) {
    base::check_system_call("ftruncate", ::ftruncate(file_.get(), kSize));
    base::RandomStream random(1, "census bench");
    base::Bytes chunk(4U << 20);
    for (std::uint64_t at = 0; at < kSize; at += chunk.size()) {
      for (std::size_t i = 0; i < chunk.size(); i += 8) {
        std::uint64_t value = random.next();
        if (at % (16U << 20) == 0) value = 0;
        if (at % (16U << 20) == 4U << 20) value = (value & 0x1f1f1f1f1f1f1f1f) | 0x6060606060606060;
        std::memcpy(chunk.data() + i, &value, 8);
      }
      base::check_system_call(
          "pwrite", ::pwrite(file_.get(), chunk.data(), chunk.size(), static_cast<off_t>(at)));
    }
  }
  [[nodiscard]] std::string path() const { return "/proc/self/fd/" + std::to_string(file_.get()); }
  [[nodiscard]] int fd() const { return file_.get(); }

 private:
  base::FileDescriptor file_;
};

/// Adds up one range, eight bytes at a time: as little work a byte as reading can have.
__attribute__((target_clones("avx2", "default"))) std::uint64_t read_all(base::ByteView bytes) {
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < bytes.size(); i += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, bytes.data() + i, 8);
    sum += word;
  }
  return sum;
}

void read_with(unsigned threads, base::ByteView bytes) {
  std::vector<std::jthread> readers;
  const std::size_t share = bytes.size() / threads;
  for (unsigned i = 0; i < threads; ++i) {
    readers.emplace_back(
        [=] { benchmark::DoNotOptimize(read_all(bytes.subspan(i * share, share))); });
  }
}

double seconds(Clock::duration duration) {
  return std::chrono::duration<double>(duration).count();
}

void census(benchmark::State& state) {
  const Ram ram;
  const vm::GuestMemory memory(ram.path(), {.memory_mib = 1024});
  base::RandomStream random(2, "census bench payload");
  const Payload payload(random, 1000);
  base::check_system_call(
      "pwrite", ::pwrite(ram.fd(), payload.bytes().data(), payload.bytes().size(), kSize / 2));
  const unsigned threads = std::max(1U, std::thread::hardware_concurrency());
  const base::ByteView all = memory.view(0, kSize);
  read_with(threads, all);  // map every page before anything is timed

  // Reading and searching take turns, so that a busy machine slows both alike.
  std::vector<double> ratios;
  while (state.KeepRunning()) {
    const auto start = Clock::now();
    read_with(threads, all);
    const auto middle = Clock::now();
    const Census found = take_census(memory, payload, threads);
    const auto end = Clock::now();
    if (found.places.size() != 1) state.SkipWithError("the payload was not found once");
    state.SetIterationTime(seconds(end - middle));
    ratios.push_back(seconds(middle - start) / seconds(end - middle));
  }
  std::sort(ratios.begin(), ratios.end());
  state.counters["throughput_ratio"] = ratios[ratios.size() / 2];
  state.counters["threads"] = threads;
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(kSize));
}
BENCHMARK(census)->Name("census/search/size:1GiB")->UseManualTime()->Iterations(9);

/// The same machine with 64 MiB written: the rest costs nothing.
void sparse_census(benchmark::State& state) {
  const base::FileDescriptor file(::memfd_create("census_bench", MFD_CLOEXEC));
  base::check_system_call("ftruncate", ::ftruncate(file.get(), kSize));
  base::RandomStream random(3, "census bench");
  const base::Bytes chunk = random.bytes(1U << 20);
  for (std::uint64_t i = 0; i < 64; ++i) {
    base::check_system_call("pwrite", ::pwrite(file.get(), chunk.data(), chunk.size(),
                                               static_cast<off_t>(i * (16U << 20))));
  }
  const vm::GuestMemory memory("/proc/self/fd/" + std::to_string(file.get()), {.memory_mib = 1024});
  const Payload payload(random, 1000);
  Census found;
  while (state.KeepRunning()) found = take_census(memory, payload);
  state.counters["searched_fraction"] =
      static_cast<double>(found.bytes_searched) / static_cast<double>(kSize);
}
BENCHMARK(sparse_census)->Name("census/search/size:1GiB/sparse")->UseRealTime();

}  // namespace
}  // namespace zcl::xray
