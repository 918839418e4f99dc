// SPDX-License-Identifier: MIT
// A lab as its lab.json declares it. Harness, grader, hand-out and docs read this one declaration.
#pragma once

#include <chrono>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "harness/report/model.hh"
#include "harness/vm/machine_spec.hh"

namespace zcl::lab {

/// What a student writes in one step; the step's blocks are marked ZCL-BEGIN/ZCL-END in the
/// sources.
struct Step {
  std::string id;  ///< "alloc"
  std::string title;
  std::vector<std::string> files;  ///< relative to the lab's folder
};

struct Check {
  std::string id;  ///< "01.alloc"
  std::string title;
  std::string step;  ///< the step whose blocks it checks; empty: none in particular
  unsigned points = 0;
  std::vector<std::string> needs;  ///< ids of checks that must pass first
  std::chrono::seconds time_limit{180};
  std::string hint;  ///< shown when it fails
  report::Evidence evidence = report::Evidence::host;
};

struct Experiment {
  std::string id;  ///< "strings"
  std::string title;
  std::vector<std::string> article;  ///< "A3"
  std::string claim;                 ///< the article's statement, in our words
  std::string machine;               ///< key of Lab::machines
  bool quick = true;                 ///< part of the quick profile
  std::chrono::seconds time_limit{600};
  nlohmann::json parameters = nlohmann::json::object();
};

/// What `zcl shell` starts.
struct Shell {
  struct Module {
    std::string name;  ///< without ".ko"
    std::string parameters;
  };
  std::string machine;  ///< key of Lab::machines
  std::vector<Module> load;
};

struct Lab {
  std::string id;      ///< "01_proc_addr", the folder's name
  std::string number;  ///< "01"
  std::string title;
  std::filesystem::path folder;
  std::vector<std::string> modules;        ///< built .ko files, relative: "kernel/nf_addr.ko"
  std::vector<std::string> programs;       ///< built programs, relative: "user/nf_reader"
  std::vector<std::string> student_files;  ///< taken from a submission, nothing else is
  std::map<std::string, vm::MachineSpec> machines;
  std::vector<Step> steps;
  std::vector<Check> checks;
  std::vector<Experiment> experiments;
  Shell shell;  ///< defaults: the first machine by name, every module of the lab itself
};

/// Reads and validates a lab.json (comments allowed). Throws UsageError: "file:line: what was
/// expected".
Lab load_lab(const std::filesystem::path& lab_json);
/// All labs of the source tree (every labs/NN_name/ with a lab.json), by number.
std::vector<Lab> load_all_labs();
/// `name`: "01" or "01_proc_addr". Throws UsageError that lists what there is.
Lab find_lab(const std::string& name);

}  // namespace zcl::lab
