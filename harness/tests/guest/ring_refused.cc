// SPDX-License-Identifier: MIT
// Guest side of the tests of lab 03's ring: arguments that must be refused, each with its errno.
//
//   ring_refused INTERFACE
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include <cstdio>

#include "harness/tests/guest/ring_expect.hh"
#include "labs/common/user/ring.hh"

namespace {

using zcl::test::expect;
using zcl::test::expect_errno;
using zcl::user::check;
using zcl::user::FileDescriptor;
using zcl::user::Mapping;

constexpr std::size_t kPage = 4096;

struct Node {
  std::string path;
  FileDescriptor file;

  explicit Node(const std::string& interface)
      : path(zcl::user::ring_node(interface)), file(zcl::user::open_file(path, O_RDWR)) {}

  template <typename Argument>
  void refuse(int expected, const std::string& what, unsigned long command, Argument argument) {
    expect_errno(expected, what, [&] { return ::ioctl(file.get(), command, argument); });
  }
  void refuse_map(int expected, const std::string& what, std::uint64_t offset, std::size_t bytes,
                  int protection = PROT_READ | PROT_WRITE, int flags = MAP_SHARED) {
    expect_errno(expected, what, [&] {
      return reinterpret_cast<long>(
          ::mmap(nullptr, bytes, protection, flags, file.get(), static_cast<off_t>(offset)));
    });
  }
};

zcl_setup good_setup() {
  zcl_setup setup{};
  setup.version = ZCL_RING_VERSION;
  setup.buffer_bytes = ZCL_BUFFER_2K;
  return setup;
}

void before_setup(Node& node) {
  node.refuse_map(ENXIO, "map before set-up", ZCL_MAP_RING, kPage);
  node.refuse(ENXIO, "sync before set-up", ZCL_SYNC, 1);
}

void setups(Node& node) {
  const auto refuse = [&node](int expected, const char* what, auto&& change) {
    zcl_setup setup = good_setup();
    change(setup);
    node.refuse(expected, what, ZCL_SETUP, &setup);
  };
  refuse(EINVAL, "version", [](auto& setup) { setup.version = 2; });
  refuse(EINVAL, "slots 12", [](auto& setup) { setup.rx_slots = 12; });
  refuse(EINVAL, "slots 4", [](auto& setup) { setup.tx_slots = 4; });
  refuse(EINVAL, "slots 8192", [](auto& setup) { setup.rx_slots = 8192; });
  refuse(EINVAL, "slots 2^31", [](auto& setup) { setup.rx_slots = 1U << 31; });
  refuse(EINVAL, "spares", [](auto& setup) { setup.spares = 4097; });
  refuse(EINVAL, "buffers of 1000 bytes", [](auto& setup) { setup.buffer_bytes = 1000; });
  refuse(EINVAL, "interrupts", [](auto& setup) { setup.interrupts = 2; });
  refuse(EINVAL, "zero", [](auto& setup) { setup.zero = 1; });
  refuse(EINVAL, "crooked pool", [](auto& setup) { setup.user_pool = 4097; });
  refuse(EMSGSIZE, "short pool", [](auto& setup) {
    setup.user_pool = 4096;
    setup.user_pool_bytes = 4096;
  });
  zcl_setup setup = good_setup();
  setup.user_pool = 4096;
  node.refuse(EMSGSIZE, "size of the pool", ZCL_SETUP, &setup);
  setup.user_pool_bytes = setup.pool_bytes;
  node.refuse(EFAULT, "a pool of nothing", ZCL_SETUP, &setup);
  node.refuse(EFAULT, "set-up from nowhere", ZCL_SETUP, nullptr);
}

void second_setups(Node& node, const std::string& interface) {
  zcl_setup setup = good_setup();
  node.refuse(EINVAL, "set-up twice", ZCL_SETUP, &setup);
  Node other(interface);
  other.refuse(EBUSY, "a second owner", ZCL_SETUP, &setup);
  other.refuse(ENXIO, "another file's mode", ZCL_SET_MODE, 0);
}

void arguments(Node& node) {
  node.refuse(EINVAL, "mode 3", ZCL_SET_MODE, 3);
  node.refuse(EINVAL, "sync 8", ZCL_SYNC, 8);
  node.refuse(ENOTTY, "ioctl 99", _IO('z', 99), 0);
  node.refuse(EBADF, "eventfd 999", ZCL_SET_EVENTFD, 999);
  node.refuse(EINVAL, "a file as eventfd", ZCL_SET_EVENTFD, node.file.get());
  zcl_copy copy{8, 2048, 0};
  node.refuse(EAGAIN, "copy of nothing", ZCL_COPY, &copy);

  zcl_filter filter{.kind = 9, .value = 0, .program = 0};
  node.refuse(EINVAL, "filter 9", ZCL_SET_FILTER, &filter);
  filter = {.kind = ZCL_FILTER_ETHERTYPE, .value = 65536, .program = 0};
  node.refuse(EINVAL, "type 65536", ZCL_SET_FILTER, &filter);
  filter = {.kind = ZCL_FILTER_BPF, .value = 0, .program = 8};
  node.refuse(EFAULT, "BPF nowhere", ZCL_SET_FILTER, &filter);
  sock_filter endless[] = {{BPF_JMP | BPF_JA, 0, 0, 0xffffffff}};
  const sock_fprog program{1, endless};
  filter.program = reinterpret_cast<std::uintptr_t>(&program);
  node.refuse(EINVAL, "endless BPF", ZCL_SET_FILTER, &filter);
}

void views(Node& node, const zcl_setup& setup) {
  const std::size_t ring = setup.ring_bytes;
  const std::size_t pool = setup.pool_bytes;
  node.refuse_map(EINVAL, "ring too long", ZCL_MAP_RING, ring + kPage);
  node.refuse_map(EINVAL, "behind the ring", ZCL_MAP_RING + ring, kPage);
  node.refuse_map(EINVAL, "pool too long", ZCL_MAP_POOL, pool + kPage);
  node.refuse_map(EINVAL, "behind the pool", ZCL_MAP_POOL + pool, kPage);
  node.refuse_map(EINVAL, "over the pool's end", ZCL_MAP_POOL + pool - kPage, 2 * kPage);
  node.refuse_map(EINVAL, "no such view", 0x300000000, kPage);
  node.refuse_map(EINVAL, "far away", 0x7ffffffffffff000, kPage);
  node.refuse_map(EINVAL, "private", ZCL_MAP_POOL, kPage, PROT_READ, MAP_PRIVATE);
  node.refuse_map(EACCES, "executable", ZCL_MAP_POOL, kPage, PROT_READ | PROT_EXEC);
  node.refuse_map(EINVAL, "a packet of half a page", ZCL_MAP_PACKET, kPage, PROT_READ);
  const Mapping view(node.file, ZCL_MAP_POOL, 4 * kPage);
  expect_errno(EACCES, "mprotect to executable",
               [&] { return ::mprotect(view.data(), kPage, PROT_READ | PROT_EXEC); });
  expect_errno(EFAULT, "mremap to more", [&] {
    return reinterpret_cast<long>(::mremap(view.data(), 4 * kPage, 8 * kPage, MREMAP_MAYMOVE));
  });
}

/// Root, but without one of the two: dropped from the bounding set, it is lost with the next exec.
void without_capability(const Node& node, const char* program) {
  for (const int capability : {CAP_NET_ADMIN, CAP_NET_RAW}) {
    const pid_t child = check("fork", ::fork());
    if (child == 0) {
      ::prctl(PR_CAPBSET_DROP, capability);
      ::execl(program, program, "open", node.path.c_str(), nullptr);
      ::_exit(9);
    }
    int status = 0;
    check("waitpid", ::waitpid(child, &status, 0));
    expect(WIFEXITED(status) && WEXITSTATUS(status) == EPERM,
           "open without capability " + std::to_string(capability) + ": status " +
               std::to_string(status));
  }
}

int run(const char* program, const std::string& interface) {
  Node node(interface);
  before_setup(node);
  setups(node);
  zcl_setup setup = good_setup();
  check("ZCL_SETUP", ::ioctl(node.file.get(), ZCL_SETUP, &setup));
  second_setups(node, interface);
  arguments(node);
  views(node, setup);
  without_capability(node, program);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 3 && argv[1] == std::string("open")) return ::open(argv[2], O_RDWR) < 0 ? errno : 0;
  if (argc != 2) {
    std::fputs("usage: ring_refused INTERFACE\n", stderr);
    return 2;
  }
  return zcl::user::run_program("ring_refused", [argv] { return run(argv[0], argv[1]); });
}
