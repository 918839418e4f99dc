// SPDX-License-Identifier: MIT
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "harness/base/error.hh"
#include "harness/vm/guest_ram.hh"
#include "harness/vm/template_store.hh"

namespace zcl::vm {
namespace {

using ::testing::HasSubstr;

constexpr std::uint64_t kRam = 8U << 20;
constexpr off_t kWritten = 3 << 20;

base::Deadline soon() {
  return {"test", std::chrono::seconds(30)};
}

class Store : public ::testing::Test {
 protected:
  void SetUp() override { forget(); }
  void TearDown() override { forget(); }
  void forget() {
    std::filesystem::remove(TemplateStore::path_of(key_));
    std::filesystem::remove(TemplateStore::path_of(key_) + ".lock");
  }

  std::shared_ptr<Template> get() {
    return TemplateStore::get(key_, soon(), [this] {
      ++boots_;
      BootedMachine booted;
      booted.ram = make_guest_ram(kRam);
      EXPECT_EQ(::pwrite(booted.ram.get(), "memory", 6, kWritten), 6);
      const std::string zeros(1 << 16, '\0');
      EXPECT_EQ(::pwrite(booted.ram.get(), zeros.data(), zeros.size(), 0), 1 << 16);
      booted.device_state = {'d', 'e', 'v'};
      return booted;
    });
  }

  std::string key_ = "unit test " + std::to_string(::getpid());
  int boots_ = 0;
};

TEST_F(Store, BootsOnceAndCopiesWhatIsPopulated) {
  const auto booted = get();
  EXPECT_EQ(get(), booted);
  EXPECT_EQ(boots_, 1);
  EXPECT_EQ(booted->populated(), 4096U) << "pages of zeros are given back";
  const auto copy = make_guest_ram(kRam);
  booted->copy_ram(copy.get());
  char text[6];
  ASSERT_EQ(::pread(copy.get(), text, 6, kWritten), 6);
  EXPECT_EQ(std::string(text, 6), "memory");
  struct stat status {};
  ASSERT_EQ(::fstat(copy.get(), &status), 0);
  EXPECT_EQ(status.st_size, static_cast<off_t>(kRam));
  EXPECT_EQ(status.st_blocks * 512, 4096);
}

TEST_F(Store, HandsOutTheDeviceState) {
  const auto state = get()->open_device_state();
  char text[3];
  ASSERT_EQ(::read(state.get(), text, 3), 3);
  EXPECT_EQ(std::string(text, 3), "dev");
}

TEST_F(Store, TellsDamageAndThenBootsAnew) {
  const auto booted = get();
  const auto copy = make_guest_ram(kRam);
  booted->copy_ram(copy.get());
  const auto path = TemplateStore::path_of(key_);
  ASSERT_EQ(::chmod(path.c_str(), 0600), 0);
  const base::FileDescriptor file(::open(path.c_str(), O_RDWR | O_CLOEXEC));
  ASSERT_EQ(::pwrite(file.get(), "M", 1, kWritten), 1);
  try {
    booted->copy_ram(copy.get());
    FAIL() << "a damaged template was copied";
  } catch (const EnvironmentError& error) {
    EXPECT_THAT(error.what(), HasSubstr("checksum of its memory"));
  }
  (void)get();
  EXPECT_EQ(boots_, 2);
}

TEST_F(Store, StaysUsableWhenAnotherDropsIt) {
  const auto booted = get();
  std::filesystem::remove(TemplateStore::path_of(key_));
  const auto copy = make_guest_ram(kRam);
  EXPECT_NO_THROW(booted->copy_ram(copy.get()));
  (void)get();
  EXPECT_EQ(boots_, 2);
}

TEST_F(Store, SaysWhoHoldsTheLockForTooLong) {
  const auto path = TemplateStore::path_of(key_) + ".lock";
  const base::FileDescriptor held(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  ASSERT_EQ(::flock(held.get(), LOCK_EX), 0);
  const base::Deadline now("test", base::Deadline::Clock::duration::zero());
  try {
    (void)TemplateStore::get(key_, now,
                             []() -> BootedMachine { throw std::logic_error("booted"); });
    FAIL() << "the lock was not respected";
  } catch (const EnvironmentError& error) {
    EXPECT_THAT(error.what(), HasSubstr(path));
  }
}

}  // namespace
}  // namespace zcl::vm
