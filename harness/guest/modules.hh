// SPDX-License-Identifier: MIT
// Kernel modules. All functions throw RequestError with the kernel's errno.
#pragma once

#include <string>

namespace zcl::guest {

/// The stock module `name` (underscore or dash) of the running kernel, after all that it depends on
/// (modules.dep). A module that is built in or loaded already is no error.
void load_stock_module(const std::string& name, const std::string& parameters);

/// finit_module(2).
void load_module_file(const std::string& path, const std::string& parameters);

/// delete_module(2) with O_NONBLOCK.
void unload_module(const std::string& name);

}  // namespace zcl::guest
