// SPDX-License-Identifier: MIT
// Benchmarks keep the names that they are given: "lab03/rx/ring_busy/len:64/burst:32", without what
// the library adds of how it measured ("/iterations:1/real_time").
#include <benchmark/benchmark.h>
#include <unistd.h>

#include <algorithm>
#include <string_view>

namespace {

template <typename Reporter>
class PlainNames : public Reporter {
 public:
  using Reporter::Reporter;
  void ReportRuns(const std::vector<benchmark::BenchmarkReporter::Run>& runs) override {
    auto plain = runs;
    for (auto& run : plain) {
      run.run_name.iterations.clear();
      run.run_name.time_type.clear();
    }
    Reporter::ReportRuns(plain);
  }
};

bool writes_file(int argc, char** argv) {
  return std::any_of(argv, argv + argc,
                     [](std::string_view word) { return word.starts_with("--benchmark_out="); });
}

}  // namespace

int main(int argc, char** argv) {
  const bool to_file = writes_file(argc, argv);
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  PlainNames<benchmark::ConsoleReporter> display(::isatty(STDOUT_FILENO) != 0
                                                     ? benchmark::ConsoleReporter::OO_ColorTabular
                                                     : benchmark::ConsoleReporter::OO_Tabular);
  PlainNames<benchmark::JSONReporter> file;
  benchmark::RunSpecifiedBenchmarks(&display, to_file ? &file : nullptr);
  benchmark::Shutdown();
}
