// SPDX-License-Identifier: MIT
// Lab 03's modules in a guest. Only the driver is of interest here, whatever else the lab has.
#pragma once

#include <filesystem>
#include <string>

#include "harness/base/paths.hh"
#include "harness/lab/build.hh"
#include "harness/vm/machine.hh"

namespace zcl::lab03 {

/// The built module `name`, such as "zcl_ring".
inline std::filesystem::path module_file(const std::string& name, const std::string& kernel) {
  lab::Lab driver;
  driver.id = "03_dma_driver";
  driver.folder = base::source_root() / "labs" / driver.id;
  return lab::built_solution(driver, kernel).artefact("kernel/" + name + ".ko");
}

/// The ring module, and the driver on every card that it knows.
inline void load_driver(vm::Machine& machine) {
  for (const std::string name : {"zcl_ring", "zcl_e1000"}) {
    const auto file = module_file(name, machine.spec().kernel);
    const std::string path = "/tmp/" + name + ".ko";
    machine.agent().put_file(path, base::read_file(file));
    machine.know_module(name, file);
    machine.agent().load_module(path);
  }
}

}  // namespace zcl::lab03
