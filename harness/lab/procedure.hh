// SPDX-License-Identifier: MIT
// What a lab's own procedures (labs/NN_name/host/*.cc) see of the harness.
//
// lab.json declares experiments and checks; host/procedures.cc binds each id to a C++ function. The
// function drives machines and records what the host observed.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "harness/base/random.hh"
#include "harness/lab/build.hh"
#include "harness/lab/declaration.hh"
#include "harness/report/model.hh"
#include "harness/vm/machine.hh"
#include "harness/wire/link.hh"
#include "harness/xray/census.hh"
#include "harness/xray/chain.hh"

namespace zcl::lab {

enum class Profile { quick, full };

struct RunOptions {
  std::uint64_t seed = 1;
  Profile profile = Profile::quick;
  std::optional<vm::Mode> mode;  ///< overrides the lab's declaration
  vm::Accel accel = vm::Accel::automatic;
  std::string kernel = "6.1";
  unsigned repeat = 1;  ///< runs of each experiment and check, with seeds seed, seed + 1, …
  unsigned jobs = 2;    ///< machines at once; what measures time runs alone in any case
};

/// The student's work does not do what the check asks. The message says what was observed.
class CheckFailed : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Common to experiments and checks.
class Context {
 public:
  /// `purpose` names this context's stream of random values.
  Context(const BuiltLab& built, const RunOptions& options, const std::string& purpose);

  [[nodiscard]] const BuiltLab& built() const { return built_; }
  [[nodiscard]] const RunOptions& options() const { return options_; }
  base::RandomStream& random() { return random_; }

  /// The declared machine `name` as a fresh clone; `adjust` may change its spec first. Mode,
  /// accelerator and kernel come from the options; a machine run in count mode has one processor.
  vm::Machine start(const std::string& name,
                    const std::function<void(vm::MachineSpec&)>& adjust = {});
  /// Puts the built module `module` (e.g. "nf_addr") into the guest and loads it. GuestError
  /// carries the errno of a module that refuses.
  void load(vm::Machine& machine, const std::string& module, const std::string& parameters = {});
  /// Puts the built program into the guest (once per machine) and returns its path there.
  std::string install(vm::Machine& machine, const std::string& program);
  /// A NIC's cable.
  wire::Link link(vm::Machine& machine, const std::string& nic_or_hub);

 private:
  const BuiltLab& built_;
  const RunOptions& options_;
  base::RandomStream random_;

 protected:
  vm::Mode mode_;  ///< of the machine started last; the declared one before that
};

class ExperimentContext : public Context {
 public:
  ExperimentContext(const BuiltLab& built, const Experiment& experiment, const RunOptions& options);

  [[nodiscard]] const Experiment& experiment() const { return experiment_; }
  /// Records a figure; `name` must be in report::metric_names(), `value` finite. Throws
  /// std::logic_error else.
  void metric(const std::string& name, double value,
              const std::map<std::string, std::string>& labels = {});
  /// The same with the observations behind it and a 95 % interval.
  void metric(const std::string& name, double value,
              const std::map<std::string, std::string>& labels, std::vector<double> samples,
              std::optional<std::pair<double, double>> interval = {});
  void series(report::Series series);
  void figure(std::string svg);
  void transcript(std::string text);
  /// The article's claim, judged by what was measured in this run. Must be called exactly once.
  void verdict(report::ClaimVerdict verdict, const std::string& because);

  /// Throws std::logic_error when no verdict was given.
  report::ExperimentResult take_result();

 private:
  const Experiment& experiment_;
  report::ExperimentResult result_;
  bool judged_ = false;
};

class CheckContext : public Context {
 public:
  CheckContext(const BuiltLab& built, const Check& check, const RunOptions& options);

  [[nodiscard]] const Check& check() const { return check_; }
  /// Throws CheckFailed with `otherwise` unless `condition` holds.
  static void require(bool condition, const std::string& otherwise);
  /// Throws CheckFailed when the machine's console has anything alarming.
  static void require_quiet_kernel(const vm::Machine& machine);
  /// What was observed, for the report of a passed check.
  void observed(const std::string& text) { observed_ = text; }
  [[nodiscard]] const std::string& observation() const { return observed_; }

 private:
  const Check& check_;
  std::string observed_;
};

/// The procedures of one lab. Defined once in labs/NN_name/host/procedures.cc:
///   const zcl::lab::Procedures procedures{"01_proc_addr", {{"strings", strings}}, {{"01.alloc",
///   check_alloc}}};
/// Its constructor registers it. A test proves that ids here and in lab.json are the same sets.
struct Procedures {
  using ExperimentFunction = void (*)(ExperimentContext&);
  using CheckFunction = void (*)(CheckContext&);

  Procedures(std::string lab_id, std::map<std::string, ExperimentFunction> experiments,
             std::map<std::string, CheckFunction> checks);

  std::string lab_id;
  std::map<std::string, ExperimentFunction> experiments;
  std::map<std::string, CheckFunction> checks;
};

/// Throws EnvironmentError where this program was built without the lab's host side.
const Procedures& procedures_of(const std::string& lab_id);

}  // namespace zcl::lab
