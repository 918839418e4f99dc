// SPDX-License-Identifier: MIT
// Frames per second on the harness's cables, as a fraction of what a bare local socket carries in
// the same run (counter throughput_ratio). The two are interleaved; the ratio is the median of the
// iterations' ratios.
//
//   wire/frames_per_second/link   Link to Link over a socket pair, a call a frame like the bare
//                                 loop: the cost of our own framing
//   wire/frames_per_second/hub    Link to QEMU's hub, in batches, and back by a second cable
#include <benchmark/benchmark.h>
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "harness/wire/flow.hh"
#include "harness/wire/link.hh"

namespace zcl::wire {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::uint64_t kFrames = 20000;  ///< of one iteration
constexpr std::size_t kBatch = 32;
/// Frames under way at once on one socket: the largest of them fit its buffer one by one.
constexpr std::uint64_t kWindow = 64;
/// Through QEMU, on two sockets: QEMU stops reading one cable while the other is full.
constexpr std::uint64_t kHubWindow = 128;

/// Sends kFrames frames, a batch at a time, through `in` and takes them from `out`; seconds.
double pump(Link& in, Link& out, const std::vector<Frame>& batch, std::uint64_t window) {
  const base::Deadline deadline("frames of a benchmark", std::chrono::seconds(120));
  const auto start = Clock::now();
  std::uint64_t sent = 0;
  std::uint64_t received = 0;
  while (received < kFrames) {
    while (sent < kFrames && sent - received + batch.size() <= window) {
      in.send_all(batch, deadline);
      sent += batch.size();
    }
    if (!out.receive(deadline)) throw base::DeadlinePassed(deadline);
    ++received;
  }
  return std::chrono::duration<double>(Clock::now() - start).count();
}

/// The same number of frames of the same size over a socket pair, with nothing but the two calls:
/// one send(2) a frame, then recv(2) of what is there. Seconds.
double bare_loop(std::size_t frame_bytes) {
  const auto [a, b] = base::socket_pair();
  const base::Bytes message(4 + frame_bytes, 0x5a);
  base::Bytes buffer(std::size_t{256} * 1024);
  const std::uint64_t total = kFrames * message.size();
  const auto start = Clock::now();
  std::uint64_t sent = 0;
  std::uint64_t received = 0;
  while (received < total) {
    while (sent < total && sent - received + message.size() <= kWindow * message.size()) {
      const ssize_t put = ::send(a.get(), message.data(), message.size(), MSG_DONTWAIT);
      if (put < 0 && errno == EAGAIN) break;
      sent += base::check_system_call("send", put) > 0 ? static_cast<std::uint64_t>(put) : 0;
    }
    received += static_cast<std::uint64_t>(
        base::check_system_call("recv", ::recv(b.get(), buffer.data(), buffer.size(), 0)));
  }
  return std::chrono::duration<double>(Clock::now() - start).count();
}

/// A QEMU without a machine whose hub joins two cables.
class Hub {
 public:
  Hub() {
    auto [near_in, far_in] = base::socket_pair();
    auto [near_out, far_out] = base::socket_pair();
    child_ = base::check_system_call("fork", ::fork());
    if (child_ == 0) run(far_in.get(), far_out.get());
    in_ = std::make_unique<Link>(std::move(near_in));
    out_ = std::make_unique<Link>(std::move(near_out));
  }
  ~Hub() {
    ::kill(child_, SIGKILL);
    ::waitpid(child_, nullptr, 0);
  }
  Hub(const Hub&) = delete;
  Hub& operator=(const Hub&) = delete;
  Link& in() { return *in_; }
  Link& out() { return *out_; }

 private:
  [[noreturn]] static void run(int in, int out) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::fcntl(in, F_SETFD, 0);
    ::fcntl(out, F_SETFD, 0);
    const int null = ::open("/dev/null", O_RDWR);
    for (const int stream : {0, 1, 2}) ::dup2(null, stream);
    const std::string cable = "stream,server=off,addr.type=fd,addr.str=";
    const std::string cable_in = cable + std::to_string(in) + ",id=in";
    const std::string cable_out = cable + std::to_string(out) + ",id=out";
    ::execlp("qemu-system-x86_64", "qemu-system-x86_64", "-M", "none", "-nodefaults", "-display",
             "none", "-netdev", cable_in.c_str(), "-netdev", "hubport,hubid=0,id=p0,netdev=in",
             "-netdev", cable_out.c_str(), "-netdev", "hubport,hubid=0,id=p1,netdev=out", nullptr);
    ::_exit(127);
  }

  pid_t child_;
  std::unique_ptr<Link> in_;
  std::unique_ptr<Link> out_;
};

double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

void measure(benchmark::State& state, Link& in, Link& out, std::size_t batch_frames,
             std::uint64_t window) {
  const auto bytes = static_cast<std::size_t>(state.range(0));
  const std::vector<Frame> batch(batch_frames, make_flow_frame({}, 0, bytes));
  pump(in, out, batch, window);  // QEMU is up and warm
  std::vector<double> ratios;
  while (state.KeepRunning()) {
    const double bare = bare_loop(bytes);
    const double cable = pump(in, out, batch, window);
    state.SetIterationTime(cable);
    ratios.push_back(bare / cable);
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(kFrames) * state.iterations());
  state.counters["throughput_ratio"] = median(ratios);
}

void link_to_link(benchmark::State& state) {
  try {
    auto [a, b] = base::socket_pair();
    Link in(std::move(a));
    Link out(std::move(b));
    measure(state, in, out, 1, kWindow);
  } catch (const std::exception& error) {
    state.SkipWithError(error.what());
  }
}

void through_hub(benchmark::State& state) {
  try {
    Hub hub;
    measure(state, hub.in(), hub.out(), kBatch, kHubWindow);
  } catch (const std::exception& error) {
    state.SkipWithError(error.what());
  }
}

BENCHMARK(link_to_link)
    ->Name("wire/frames_per_second/link")
    ->ArgName("len")
    ->Arg(60)
    ->Arg(1514)
    ->UseManualTime()
    ->Iterations(9)
    ->Unit(benchmark::kMillisecond);
BENCHMARK(through_hub)
    ->Name("wire/frames_per_second/hub")
    ->ArgName("len")
    ->Arg(60)
    ->Arg(1514)
    ->UseManualTime()
    ->Iterations(9)
    ->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace zcl::wire
