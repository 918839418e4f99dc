// SPDX-License-Identifier: MIT
// A report with something of everything, for the tests of its formats.
#pragma once

#include "harness/report/model.hh"

namespace zcl::report {

inline Report sample_report() {
  Report report;
  report.seed = 7;
  report.environment = {{"qemu", "QEMU emulator version 7.2"}, {"cpu", "<b>any</b> & all"}};
  LabReport lab{.id = "01_sample", .title = "A lab with <angle> brackets & more"};
  lab.checks = {
      {"01.first", "The first", CheckStatus::passed, 40, 40, Evidence::host, "12 of 12 blocks"},
      {"01.second", "The second, whose title is so long that it cannot stand on one line of it",
       CheckStatus::failed, 0, 60, Evidence::guest,
       "<script>alert(1)</script> stood where 4355784704 was expected\nHint: look\tagain"},
      {"01.third", "The third", CheckStatus::skipped, 0, 0, Evidence::host, ""},
  };
  ExperimentResult experiment;
  experiment.id = "sweep";
  experiment.title = "How large can a block be?";
  experiment.article = {"A1", "A10"};
  experiment.parameters = {{"orders", {9, 10, 11}}};
  experiment.claim = {"Order 9 is the limit.", ClaimVerdict::refuted,
                      "Order 10 succeeded and 11 failed \xE2\x80\x94 \xE6\xBC\xA2\xE5\xAD\x97."};
  experiment.metrics = {{.name = "census_places",
                         .unit = "places",
                         .value = 3,
                         .mode = "count",
                         .labels = {{"method", "recvfrom"}}},
                        {.name = "census_places",
                         .unit = "places",
                         .value = 1,
                         .mode = "count",
                         .labels = {{"method", "mmap"}}},
                        {.name = "address",
                         .unit = "address",
                         .value = 4355784704,
                         .mode = "count",
                         .labels = {{"method", "mmap"}}},
                        {.name = "throughput_ratio",
                         .unit = "ratio",
                         .value = 1.5,
                         .mode = "speed",
                         .samples = {1.4, 1.5, 1.6},
                         .interval = std::make_pair(1.4, 1.6)}};
  experiment.series = {{"orders", "order", "succeeded", {{9, 1}, {10, 1}, {11, 0}}, {}}};
  experiment.figures = {"<svg xmlns='http://www.w3.org/2000/svg' width='10' height='10'/>"};
  experiment.transcript = "1:data1dfadfaserty[size = 16]\n<end>\n";
  lab.experiments = {experiment};
  report.labs = {lab};
  return report;
}

}  // namespace zcl::report
