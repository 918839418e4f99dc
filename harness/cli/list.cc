// SPDX-License-Identifier: MIT
// zcl list: what labs, experiments and checks there are.
#include "harness/cli/command.hh"
#include "harness/report/text.hh"

namespace zcl::cli {

namespace {

using nlohmann::json;

struct Options {
  std::vector<std::string> labs;
  JsonOutput json;
};

constexpr std::size_t kWidth = 80;

/// "  id   extra  title", the title wrapped under itself.
std::string line(const std::string& id, std::size_t id_width, const std::string& extra,
                 std::size_t extra_width, const std::string& title) {
  const std::string head =
      "    " + report::padded(id, id_width) + "  " + report::padded(extra, extra_width) + "  ";
  std::string text;
  for (const auto& part : report::wrap(title, kWidth - report::display_width(head))) {
    text += (text.empty() ? head : std::string(report::display_width(head), ' ')) + part + "\n";
  }
  return text;
}

template <typename Item>
std::size_t id_width(const std::vector<Item>& items) {
  std::size_t width = 0;
  for (const auto& item : items) width = std::max(width, item.id.size());
  return width;
}

std::string joined(const std::vector<std::string>& parts) {
  std::string text;
  for (const auto& part : parts) text += (text.empty() ? "" : " ") + part;
  return text;
}

std::string text_of(const lab::Lab& lab) {
  std::string text;
  for (const auto& part : report::wrap("Lab " + lab.number + "  " + lab.title, kWidth)) {
    text += part + "\n";
  }
  text += "  Folder: labs/" + lab.id + "\n";
  text += "  Steps that a student writes\n";
  for (const auto& step : lab.steps) {
    text += line(step.id, id_width(lab.steps), "", 0, step.title);
  }
  text += "  Checks and their points\n";
  for (const auto& check : lab.checks) {
    text += line(check.id, id_width(lab.checks), std::to_string(check.points), 3, check.title);
  }
  text += "  Experiments and the article rows they answer (* full profile only)\n";
  for (const auto& experiment : lab.experiments) {
    text += line(experiment.id, id_width(lab.experiments),
                 joined(experiment.article) + (experiment.quick ? "" : " *"), 8, experiment.title);
  }
  return text;
}

json json_of(const lab::Lab& lab) {
  json result = {{"id", lab.id},
                 {"title", lab.title},
                 {"steps", json::array()},
                 {"checks", json::array()},
                 {"experiments", json::array()}};
  for (const auto& step : lab.steps) {
    result["steps"].push_back({{"id", step.id}, {"title", step.title}, {"files", step.files}});
  }
  for (const auto& check : lab.checks) {
    result["checks"].push_back({{"id", check.id},
                                {"title", check.title},
                                {"step", check.step},
                                {"points", check.points},
                                {"needs", check.needs},
                                {"evidence", report::to_string(check.evidence)}});
  }
  for (const auto& experiment : lab.experiments) {
    result["experiments"].push_back({{"id", experiment.id},
                                     {"title", experiment.title},
                                     {"article", experiment.article},
                                     {"claim", experiment.claim},
                                     {"quick", experiment.quick},
                                     {"parameters", experiment.parameters}});
  }
  return result;
}

ExitStatus list(const Options& options) {
  std::vector<lab::Lab> labs;
  for (const auto& name : options.labs) labs.push_back(lab::find_lab(name));
  if (options.labs.empty()) labs = lab::load_all_labs();
  json all = json::array();
  std::string text;
  for (const auto& lab : labs) {
    all.push_back(json_of(lab));
    text += (text.empty() ? "" : "\n") + text_of(lab);
  }
  if (!options.json.only_output()) print(text.empty() ? "There are no labs.\n" : text);
  options.json.write({{"schema", "zcl-list/1"}, {"labs", all}});
  return ExitStatus::passed;
}

}  // namespace

void add_list(CLI::App& zcl, Action& action) {
  auto options = std::make_shared<Options>();
  auto* command = zcl.add_subcommand("list", "Show labs, their steps, checks and experiments");
  command->add_option("LAB", options->labs, "Labs to show (default: all)");
  add_json_option(*command, options->json);
  command->callback([&action, options] { action = [options] { return list(*options); }; });
}

}  // namespace zcl::cli
