// SPDX-License-Identifier: MIT
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "harness/base/error.hh"
#include "harness/base/paths.hh"
#include "harness/vm/guest_program.hh"

namespace zcl::vm {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::IsEmpty;
using testing::Property;

TEST(SharedLibraries, AStaticProgramHasNone) {
  EXPECT_THAT(shared_libraries(base::build_root() / "zcl_agent"), IsEmpty());
}

TEST(SharedLibraries, ADynamicOneHasItsLibrariesAndTheirLoader) {
  const auto libraries = shared_libraries(std::filesystem::canonical("/proc/self/exe"));
  for (const auto* name : {"libc.so.6", "libstdc++.so.6", "ld-linux-x86-64.so.2"}) {
    EXPECT_THAT(libraries, Contains(AllOf(Property(&std::filesystem::path::filename, name),
                                          Property(&std::filesystem::path::is_absolute, true))));
  }
  for (const auto& library : libraries) EXPECT_TRUE(std::filesystem::exists(library)) << library;
}

TEST(SharedLibraries, AMissingProgramIsTheEnvironmentsFault) {
  EXPECT_THROW(shared_libraries("/no/such/program"), EnvironmentError);
}

}  // namespace
}  // namespace zcl::vm
