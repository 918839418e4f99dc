// SPDX-License-Identifier: MIT
#include "harness/lab/declaration.hh"

#include <algorithm>
#include <fstream>
#include <set>

#include "harness/base/error.hh"
#include "harness/base/file_descriptor.hh"
#include "harness/base/paths.hh"
#include "harness/lab/json_lines.hh"
#include "harness/report/json_schema.hh"

namespace zcl::lab {

namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr unsigned kPointsPerLab = 100;

/// "labs/01_proc_addr/lab.json", or the whole path outside the source tree.
std::string display_path(const fs::path& path) {
  const auto relative = fs::absolute(path).lexically_relative(base::source_root());
  return relative.empty() || *relative.begin() == ".." ? path.string() : relative.string();
}

const json& lab_schema() {
  static const json schema = [] {
    const auto path = base::source_root() / "harness/lab/schema/lab.schema.json";
    return json::parse(base::read_text_file(path));
  }();
  return schema;
}

/// A lab.json while it is read: its values, and how to complain about one of them.
class Declaration {
 public:
  explicit Declaration(const fs::path& path)
      : file_(display_path(path)),
        json_(parse_json_with_lines(file_, base::read_text_file(path.string()))) {}

  [[nodiscard]] const json& document() const { return json_.document; }

  /// Throws UsageError "file:line: `message`" for the value at `pointer`.
  [[noreturn]] void complain(const std::string& pointer, const std::string& message) const {
    throw UsageError(file_ + ":" + std::to_string(json_.line_of(pointer)) + ": " +
                     (pointer.empty() ? "" : pointer + ": ") + message + ".");
  }
  void require(bool condition, const std::string& pointer, const std::string& message) const {
    if (!condition) complain(pointer, message);
  }

 private:
  std::string file_;
  JsonWithLines json_;
};

std::string at(const std::string& list, std::size_t index, const std::string& key = {}) {
  return "/" + list + "/" + std::to_string(index) + (key.empty() ? "" : "/" + key);
}

template <typename Item>
std::string joined_ids(const std::vector<Item>& items) {
  std::string list;
  for (const auto& item : items) list += (list.empty() ? "" : ", ") + item.id;
  return list.empty() ? "none" : list;
}

std::string machine_names(const Lab& lab) {
  std::string list;
  for (const auto& [name, ignored] : lab.machines) list += (list.empty() ? "" : ", ") + name;
  return list;
}

// ---- reading: the schema has already been satisfied ----

/// The declared values over the defaults of vm::MachineSpec.
vm::MachineSpec read_machine(const Declaration& file, const std::string& pointer,
                             const json& from) {
  json merged = vm::MachineSpec{};
  merged.update(from);
  if (merged.contains("nics")) {
    for (auto& nic : merged.at("nics")) {
      nic.emplace("hub", "");
      nic.emplace("properties", json::object());
    }
  }
  try {
    auto spec = merged.get<vm::MachineSpec>();
    vm::validate(spec);
    return spec;
  } catch (const Error& error) {
    file.complain(pointer, error.what());
  } catch (const json::exception& error) {
    file.complain(pointer, std::string("expected a machine: ") + error.what());
  }
}

Step read_step(const json& from) {
  return {.id = from.at("id"),
          .title = from.at("title"),
          .files = from.at("files").get<std::vector<std::string>>()};
}

Check read_check(const json& from) {
  Check check;
  check.id = from.at("id");
  check.title = from.at("title");
  check.step = from.value("step", "");
  check.points = from.at("points");
  check.needs = from.value("needs", std::vector<std::string>());
  check.time_limit = std::chrono::seconds(from.value("time_limit", check.time_limit.count()));
  check.hint = from.at("hint");
  check.evidence =
      from.value("evidence", "host") == "host" ? report::Evidence::host : report::Evidence::guest;
  return check;
}

Experiment read_experiment(const json& from) {
  Experiment experiment;
  experiment.id = from.at("id");
  experiment.title = from.at("title");
  experiment.article = from.at("article").get<std::vector<std::string>>();
  experiment.claim = from.at("claim");
  experiment.machine = from.at("machine");
  experiment.quick = from.value("quick", true);
  experiment.time_limit =
      std::chrono::seconds(from.value("time_limit", experiment.time_limit.count()));
  experiment.parameters = from.value("parameters", json::object());
  return experiment;
}

Shell read_shell(const Lab& lab, const json& document) {
  Shell shell;
  if (!document.contains("shell")) {
    shell.machine = lab.machines.begin()->first;
    for (const auto& module : lab.modules) {
      if (!module.starts_with("..")) shell.load.push_back({fs::path(module).stem(), ""});
    }
    return shell;
  }
  const json& from = document.at("shell");
  shell.machine = from.at("machine");
  for (const auto& module : from.value("load", json::array())) {
    shell.load.push_back({module.at("module"), module.value("parameters", "")});
  }
  return shell;
}

Lab read_lab(const Declaration& file, const fs::path& folder) {
  const json& document = file.document();
  Lab lab;
  lab.folder = folder;
  lab.id = folder.filename();
  lab.number = lab.id.substr(0, 2);
  lab.title = document.at("title");
  lab.modules = document.at("modules").get<std::vector<std::string>>();
  lab.programs = document.at("programs").get<std::vector<std::string>>();
  lab.student_files = document.at("student_files").get<std::vector<std::string>>();
  for (const auto& [name, machine] : document.at("machines").items()) {
    lab.machines[name] = read_machine(file, "/machines/" + name, machine);
  }
  for (const auto& step : document.at("steps")) lab.steps.push_back(read_step(step));
  for (const auto& check : document.at("checks")) lab.checks.push_back(read_check(check));
  for (const auto& experiment : document.at("experiments")) {
    lab.experiments.push_back(read_experiment(experiment));
  }
  lab.shell = read_shell(lab, document);
  return lab;
}

// ---- what a schema cannot say ----

template <typename Item>
void require_unique_ids(const Declaration& file, const std::string& list,
                        const std::vector<Item>& items) {
  std::set<std::string> seen;
  for (std::size_t i = 0; i < items.size(); ++i) {
    file.require(seen.insert(items[i].id).second, at(list, i, "id"),
                 "expected an id of its own; \"" + items[i].id + "\" stands above already");
  }
}

void require_steps(const Declaration& file, const Lab& lab) {
  require_unique_ids(file, "steps", lab.steps);
  const std::set<std::string> student_files(lab.student_files.begin(), lab.student_files.end());
  for (std::size_t i = 0; i < lab.student_files.size(); ++i) {
    file.require(fs::is_regular_file(lab.folder / lab.student_files[i]), at("student_files", i),
                 "expected a file of the lab; there is no " + lab.student_files[i]);
  }
  for (std::size_t i = 0; i < lab.steps.size(); ++i) {
    for (std::size_t j = 0; j < lab.steps[i].files.size(); ++j) {
      file.require(
          student_files.contains(lab.steps[i].files[j]),
          at("steps", i, "files") + "/" + std::to_string(j),
          "expected one of student_files; \"" + lab.steps[i].files[j] + "\" is not among them");
    }
  }
}

void require_checks(const Declaration& file, const Lab& lab) {
  require_unique_ids(file, "checks", lab.checks);
  unsigned points = 0;
  for (std::size_t i = 0; i < lab.checks.size(); ++i) {
    const Check& check = lab.checks[i];
    points += check.points;
    file.require(check.id.starts_with(lab.number + "."), at("checks", i, "id"),
                 "expected an id that begins with \"" + lab.number + ".\"");
    const bool known_step =
        check.step.empty() || std::any_of(lab.steps.begin(), lab.steps.end(),
                                          [&](const Step& step) { return step.id == check.step; });
    file.require(known_step, at("checks", i, "step"),
                 "expected a step of this lab (" + joined_ids(lab.steps) + ")");
    for (std::size_t j = 0; j < check.needs.size(); ++j) {
      // A check may need only those above it: the order is one in which they can run, and no
      // circle can be written.
      const auto above = lab.checks.begin() + static_cast<std::ptrdiff_t>(i);
      const bool known = std::any_of(lab.checks.begin(), above, [&](const Check& other) {
        return other.id == check.needs[j];
      });
      file.require(known, at("checks", i, "needs") + "/" + std::to_string(j),
                   "expected the id of a check that stands above this one; \"" + check.needs[j] +
                       "\" does not");
    }
  }
  file.require(points == kPointsPerLab, "/checks",
               "expected points that sum to 100; they sum to " + std::to_string(points));
}

void require_experiments(const Declaration& file, const Lab& lab) {
  require_unique_ids(file, "experiments", lab.experiments);
  for (std::size_t i = 0; i < lab.experiments.size(); ++i) {
    file.require(lab.machines.contains(lab.experiments[i].machine), at("experiments", i, "machine"),
                 "expected a machine of this lab (" + machine_names(lab) + ")");
  }
  file.require(lab.machines.contains(lab.shell.machine), "/shell/machine",
               "expected a machine of this lab (" + machine_names(lab) + ")");
}

void require_artefacts(const Declaration& file, const Lab& lab) {
  std::set<std::string> names;
  const auto require_new = [&](const std::string& list, const std::vector<std::string>& paths) {
    for (std::size_t i = 0; i < paths.size(); ++i) {
      const std::string name = fs::path(paths[i]).filename();
      file.require(names.insert(name).second, at(list, i),
                   "expected a file name of its own; \"" + name + "\" stands above already");
    }
  };
  require_new("modules", lab.modules);
  require_new("programs", lab.programs);
  for (std::size_t i = 0; i < lab.shell.load.size(); ++i) {
    file.require(names.contains(lab.shell.load[i].name + ".ko"), at("shell/load", i, "module"),
                 "expected a module of this lab, without \".ko\"");
  }
}

bool is_lab_folder(const fs::path& folder) {
  const std::string name = folder.filename();
  return name.size() > 3 && std::isdigit(static_cast<unsigned char>(name[0])) != 0 &&
         std::isdigit(static_cast<unsigned char>(name[1])) != 0 && name[2] == '_' &&
         fs::exists(folder / "lab.json");
}

/// Folders of labs, by name.
std::vector<fs::path> lab_folders() {
  std::vector<fs::path> folders;
  const auto root = base::source_root() / "labs";
  if (!fs::is_directory(root)) return folders;
  for (const auto& entry : fs::directory_iterator(root)) {
    if (is_lab_folder(entry.path())) folders.push_back(entry.path());
  }
  std::sort(folders.begin(), folders.end());
  return folders;
}

}  // namespace

Lab load_lab(const fs::path& lab_json) {
  if (!fs::is_regular_file(lab_json)) {
    throw UsageError(display_path(lab_json) + ": expected a lab's declaration; there is no such " +
                     "file.");
  }
  const Declaration file(lab_json);
  if (const auto violation = report::find_violation(lab_schema(), file.document())) {
    file.complain(violation->pointer, violation->message);
  }
  Lab lab = read_lab(file, fs::absolute(lab_json).parent_path());
  require_steps(file, lab);
  require_checks(file, lab);
  require_experiments(file, lab);
  require_artefacts(file, lab);
  return lab;
}

std::vector<Lab> load_all_labs() {
  std::vector<Lab> labs;
  for (const auto& folder : lab_folders()) labs.push_back(load_lab(folder / "lab.json"));
  return labs;
}

Lab find_lab(const std::string& name) {
  std::string known;
  for (const auto& folder : lab_folders()) {
    const std::string id = folder.filename();
    if (id == name || id.substr(0, 2) == name) return load_lab(folder / "lab.json");
    known += (known.empty() ? "" : ", ") + id.substr(0, 2) + " (" + id + ")";
  }
  throw UsageError("There is no lab \"" + name +
                   "\". There are: " + (known.empty() ? "none" : known) + ".");
}

}  // namespace zcl::lab
