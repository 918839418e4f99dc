// SPDX-License-Identifier: MIT
// Taking a submission: the files that lab.json names, and nothing else.
#pragma once

#include <cstdint>
#include <filesystem>

#include "harness/lab/declaration.hh"

namespace zcl::grade {

/// Largest student file that is taken, bytes.
inline constexpr std::uintmax_t kStudentFileLimit = 512U << 10;

/// Copies lab.student_files from `submission` to `to`. Only regular files within the limit, reached
/// without following a link at any component, are taken. Throws UsageError naming the file and what
/// is wrong with it.
void take_submission(const lab::Lab& lab, const std::filesystem::path& submission,
                     const std::filesystem::path& to);

}  // namespace zcl::grade
