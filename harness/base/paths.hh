// SPDX-License-Identifier: MIT
// Where things are: the source tree, the build tree, caches and results. One place for every path.
#pragma once

#include <filesystem>

namespace zcl::base {

/// The source tree that this binary was built from.
std::filesystem::path source_root();
/// The build tree (`build/`).
std::filesystem::path build_root();
/// What set-up fetched and boots made: kernels, initramfs images. May be deleted at any time.
std::filesystem::path cache_root();
/// Guest RAM and templates (`/dev/shm/zcl-<uid>`), made on demand, mode 0700. Throws
/// EnvironmentError.
std::filesystem::path shared_memory_root();
/// Results (`out/`), made on demand.
std::filesystem::path out_root();

}  // namespace zcl::base
