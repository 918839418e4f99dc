// SPDX-License-Identifier: MIT
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>

#include "harness/base/paths.hh"
#include "harness/grade/sandbox.hh"

namespace zcl::grade {
namespace {

class Sandbox : public testing::Test {
 protected:
  void SetUp() override {
    const std::string problem = why_no_sandbox();
    if (!problem.empty()) GTEST_SKIP() << "no sandbox on this machine: " << problem;
    char name[] = "/tmp/zcl-sandbox-XXXXXX";
    tree_ = ::mkdtemp(name);
  }
  void TearDown() override { std::filesystem::remove_all(tree_); }

  base::CommandResult shell(const std::string& script) {
    base::Command command{.argv = {"sh", "-c", script}, .directory = tree_};
    command.environment = {{"GREETING", "hello"}};
    return sandboxed(tree_)(command);
  }

  std::string tree_;
};

TEST_F(Sandbox, WritesItsTreeOnly) {
  EXPECT_TRUE(shell("echo $GREETING > made").ok());
  EXPECT_TRUE(std::filesystem::exists(tree_ + "/made"));
  EXPECT_FALSE(shell("touch /usr/made").ok());
  EXPECT_FALSE(std::filesystem::exists("/usr/made"));
}

TEST_F(Sandbox, SeesNothingOfTheHostButTheToolchain) {
  const std::string readme = base::source_root() / "README.md";
  ASSERT_TRUE(std::filesystem::exists(readme));
  EXPECT_FALSE(shell("cat " + readme).ok());
  EXPECT_EQ(shell("ls /var /etc/passwd 2>/dev/null").output, "");
  EXPECT_EQ(shell("ls /etc").output, "alternatives\n");
}

TEST_F(Sandbox, HasNoNetwork) {
  EXPECT_EQ(shell("tail -n +3 /proc/net/dev | grep -v ' lo:\\|^ *lo:'").output, "");
}

TEST_F(Sandbox, HasACompiler) {
  const auto result = shell("echo 'int main(){return 0;}' > a.c && cc a.c -o a && ./a");
  EXPECT_TRUE(result.ok()) << result.error;
}

TEST_F(Sandbox, BoundsTheSizeOfAFile) {
  EXPECT_FALSE(shell("head -c 300M /dev/zero > big").ok());
}

}  // namespace
}  // namespace zcl::grade
