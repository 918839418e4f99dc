// SPDX-License-Identifier: MIT
#include "harness/guest/system_setup.hh"

#include <fcntl.h>
#include <linux/random.h>
#include <malloc.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <ctime>
#include <filesystem>
#include <fstream>

#include "harness/guest/descriptor.hh"
#include "harness/guest/files.hh"
#include "harness/guest/modules.hh"
#include "harness/guest/network.hh"
#include "harness/guest/protocol.hh"
#include "harness/guest/request_error.hh"

namespace zcl::guest {

namespace {

namespace fs = std::filesystem;

/// Heap that the agent takes at its start and never gives back: enough for every queue's limit.
constexpr std::size_t kHeapReserve = 12U << 20;

struct FileSystem {
  const char* type;
  const char* directory;
  const char* options;
  bool needed;
};

constexpr FileSystem kFileSystems[] = {
    {"proc", "/proc", "", true},
    {"sysfs", "/sys", "", true},
    {"devtmpfs", "/dev", "", true},
    {"devpts", "/dev/pts", "ptmxmode=0666", true},
    {"tmpfs", "/tmp", "mode=1777", true},
    {"tmpfs", "/run", "mode=0755", true},
    {"tmpfs", "/dev/shm", "mode=1777", false},
    {"debugfs", "/sys/kernel/debug", "", false},
    {"tracefs", "/sys/kernel/tracing", "", false},
};

/// The device node of the port named `name`, as "major:minor" of sysfs; empty where there is none.
std::string port_device_number(const std::string& name) {
  std::error_code ignored;
  for (const auto& port : fs::directory_iterator("/sys/class/virtio-ports", ignored)) {
    std::ifstream file(port.path() / "name");
    std::string found;
    if (!std::getline(file, found) || found != name) continue;
    std::ifstream number(port.path() / "dev");
    std::getline(number, found);
    return found;
  }
  return {};
}

}  // namespace

void mount_file_systems(std::vector<std::string>& errors) {
  for (const auto& each : kFileSystems) {
    ::mkdir(each.directory, 0755);
    // The kernel may have mounted devtmpfs itself: EBUSY.
    if (::mount(each.type, each.directory, each.type, 0, each.options) < 0 && errno != EBUSY &&
        each.needed) {
      errors.push_back(std::string("mount ") + each.directory + ": " + std::strerror(errno));
    }
  }
}

void enable_task_dumps(std::vector<std::string>& errors) {
  try {
    write_text("/proc/sys/kernel/sysrq", "1");
  } catch (const RequestError& error) {
    errors.emplace_back(error.what());
  }
}

void withstand_memory_exhaustion(std::vector<std::string>& errors) {
  ::mallopt(M_MMAP_THRESHOLD, 1 << 30);
  ::mallopt(M_TRIM_THRESHOLD, 1 << 30);
  if (void* reserve = std::malloc(kHeapReserve)) {
    std::memset(reserve, 1, kHeapReserve);
    std::free(reserve);
  }
  if (::mlockall(MCL_CURRENT | MCL_FUTURE) < 0) {
    errors.push_back(std::string("mlockall: ") + std::strerror(errno));
  }
  try {
    write_text("/proc/self/oom_score_adj", "-1000");
  } catch (const RequestError& error) {
    errors.emplace_back(error.what());
  }
}

void bring_loopback_up(std::vector<std::string>& errors) {
  try {
    interface_up("lo", "127.0.0.1", 8);
  } catch (const RequestError& error) {
    errors.emplace_back(error.what());
  }
}

void load_boot_modules(std::vector<std::string>& errors) {
  std::ifstream list(kBootModulesFile);
  for (std::string line; std::getline(list, line);) {
    if (line.empty() || line.front() == '#') continue;
    const std::size_t space = line.find(' ');
    try {
      load_stock_module(line.substr(0, space),
                        space == std::string::npos ? std::string() : line.substr(space + 1));
    } catch (const RequestError& error) {
      errors.emplace_back(error.what());
    }
  }
}

Descriptor open_port() {
  // The kernel learns of ports asynchronously, after the driver's probe. This is before "ready", so
  // it may look again and again; what bounds it is the host's deadline for the boot.
  std::string number;
  while ((number = port_device_number(kPortName)).empty()) {
    const timespec moment = {0, 1'000'000};
    ::nanosleep(&moment, nullptr);
  }
  const std::size_t colon = number.find(':');
  const dev_t device = ::makedev(static_cast<unsigned>(std::stoul(number)),
                                 static_cast<unsigned>(std::stoul(number.substr(colon + 1))));
  const char* node = "/dev/zcl-agent-port";
  if (::mknod(node, S_IFCHR | 0600, device) < 0 && errno != EEXIST) refuse("mknod of the port");
  Descriptor port(::open(node, O_RDWR | O_CLOEXEC | O_NONBLOCK));
  if (!port.valid()) refuse("open the port");
  return port;
}

void print_on_console(const std::string& line) {
  Descriptor console(::open("/dev/console", O_WRONLY | O_CLOEXEC | O_NOCTTY));
  if (!console.valid()) console = Descriptor(::open("/dev/kmsg", O_WRONLY | O_CLOEXEC));
  const std::string text = line + "\n";
  [[maybe_unused]] const ssize_t ignored = ::write(console.get(), text.data(), text.size());
}

void add_entropy(std::span<const std::uint8_t> data) {
  // struct rand_pool_info of linux/random.h ends in an array without a size, which C++ lacks.
  struct {
    int entropy_bits;
    int bytes;
    std::uint8_t data[kMaxEntropy];
  } pool{};
  if (data.size() > sizeof pool.data) refuse("add entropy", EINVAL);
  pool.bytes = static_cast<int>(data.size());
  pool.entropy_bits = pool.bytes * 8;
  std::memcpy(pool.data, data.data(), data.size());
  const Descriptor device(::open("/dev/urandom", O_RDWR | O_CLOEXEC));
  if (!device.valid() || ::ioctl(device.get(), RNDADDENTROPY, &pool) < 0 ||
      ::ioctl(device.get(), RNDRESEEDCRNG) < 0) {
    refuse("add entropy");
  }
}

}  // namespace zcl::guest
