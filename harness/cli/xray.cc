// SPDX-License-Identifier: MIT
// zcl xray: one frame into a real driver, and where its payload stands then.
#include "harness/cli/command.hh"
#include "harness/xray/demonstration.hh"

namespace zcl::cli {

namespace {

struct Options {
  xray::XrayOptions xray;
  lab::RunOptions run;
  JsonOutput json;
};

std::string methods_help() {
  std::string text = "How the receiver takes the frame:";
  for (const auto& method : xray::receive_methods()) {
    text += "\n" + method.name + ": " + method.meaning;
  }
  return text;
}

std::vector<std::string> method_names() {
  std::vector<std::string> names;
  for (const auto& method : xray::receive_methods()) names.push_back(method.name);
  return names;
}

ExitStatus look(Options options) {
  options.xray.seed = options.run.seed;
  options.xray.json_path = options.json.path;
  options.xray.machine.accel = options.run.accel;
  options.xray.machine.kernel = options.run.kernel;
  return xray::run_xray(options.xray);
}

}  // namespace

void add_xray(CLI::App& zcl, Action& action) {
  auto options = std::make_shared<Options>();
  auto* command =
      zcl.add_subcommand("xray", "Send one frame and find every place of its payload in guest RAM");
  command->add_option("--nic", options->xray.nic, "The emulated NIC")
      ->check(CLI::IsMember(xray::nic_models()))
      ->type_name("MODEL")
      ->capture_default_str();
  command->add_option("--method", options->xray.method, methods_help())
      ->check(CLI::IsMember(method_names()))
      ->type_name("METHOD")
      ->capture_default_str();
  command->add_option("--length", options->xray.length, "Bytes of payload, 48 to 1500")
      ->check(CLI::Range(48, 1500))
      ->type_name("N")
      ->capture_default_str();
  command
      ->add_option_function<unsigned>(
          "--init-on-free", [options](unsigned on) { options->xray.init_on_free = on != 0; },
          "1: freed pages are zeroed, so only live copies show; 0: stale ones too [both]")
      ->check(CLI::Range(0, 1))
      ->type_name("0|1");
  command->add_option("--svg", options->xray.svg_path, "Write the picture here")->type_name("FILE");
  add_seed_option(*command, options->run, "Of the payload");
  add_machine_options(*command, options->run);
  add_json_option(*command, options->json);
  command->callback([&action, options] { action = [options] { return look(*options); }; });
}

}  // namespace zcl::cli
