// SPDX-License-Identifier: MIT
#include "harness/guest/modules.hh"

#include <fcntl.h>
#include <sys/syscall.h>
#include <sys/utsname.h>

#include <algorithm>
#include <fstream>
#include <sstream>
#include <vector>

#include "harness/guest/descriptor.hh"
#include "harness/guest/request_error.hh"

namespace zcl::guest {

namespace {

constexpr unsigned kCompressedFile = 4;  // MODULE_INIT_COMPRESSED_FILE, linux/module.h

std::string modules_directory() {
  utsname names{};
  ::uname(&names);
  return std::string("/lib/modules/") + names.release + "/";
}

/// "kernel/net/core/foo-bar.ko.xz" -> "foo_bar"
std::string module_name(const std::string& path) {
  std::string name = path.substr(path.rfind('/') + 1);
  name = name.substr(0, name.find(".ko"));
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

/// The line of modules.dep for `name`: its file, then the files it needs, outermost first.
std::vector<std::string> files_needed(const std::string& name) {
  std::ifstream table(modules_directory() + "modules.dep");
  std::string line;
  while (std::getline(table, line)) {
    const std::size_t colon = line.find(':');
    if (colon == std::string::npos || module_name(line.substr(0, colon)) != name) continue;
    std::vector<std::string> files = {line.substr(0, colon)};
    std::istringstream needs(line.substr(colon + 1));
    for (std::string file; needs >> file;) files.push_back(file);
    return files;
  }
  return {};
}

bool is_built_in(const std::string& name) {
  std::ifstream table(modules_directory() + "modules.builtin");
  for (std::string line; std::getline(table, line);) {
    if (module_name(line) == name) return true;
  }
  return false;
}

}  // namespace

void load_module_file(const std::string& path, const std::string& parameters) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.valid()) refuse("open " + path);
  const unsigned flags = path.ends_with(".ko") ? 0 : kCompressedFile;
  if (::syscall(SYS_finit_module, file.get(), parameters.c_str(), flags) < 0) {
    refuse("load module " + path);
  }
}

void load_stock_module(const std::string& name, const std::string& parameters) {
  const std::string wanted = module_name(name);
  auto files = files_needed(wanted);
  if (files.empty()) {
    if (is_built_in(wanted)) return;
    refuse("no module " + name + " in " + modules_directory(), ENOENT);
  }
  for (auto file = files.rbegin(); file != files.rend(); ++file) {
    const bool last = file + 1 == files.rend();
    try {
      load_module_file(modules_directory() + *file, last ? parameters : std::string());
    } catch (const RequestError& error) {
      if (error.error_number() != EEXIST) throw;
    }
  }
}

void unload_module(const std::string& name) {
  if (::syscall(SYS_delete_module, name.c_str(), O_NONBLOCK) < 0) refuse("unload module " + name);
}

}  // namespace zcl::guest
