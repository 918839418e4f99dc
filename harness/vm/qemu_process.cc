// SPDX-License-Identifier: MIT
#include "harness/vm/qemu_process.hh"

#include <fcntl.h>
#include <grp.h>
#include <linux/close_range.h>
#include <poll.h>
#include <pwd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <condition_variable>
#include <csignal>
#include <functional>
#include <mutex>
#include <thread>
#include <utility>

#include "harness/vm/signal_cleanup.hh"

namespace zcl::vm {

namespace {

constexpr int kFirstInherited = 3;

/// PR_SET_PDEATHSIG follows the *thread* that forked, so all children are forked by one thread that
/// never ends before the process does.
class Forker {
 public:
  static Forker& instance() {
    // Never destroyed: its thread must outlive all. A forked child has no such thread, so it makes
    // one of its own.
    static std::mutex mutex;
    static Forker* forker = nullptr;
    static pid_t owner = -1;
    const std::lock_guard lock(mutex);
    if (owner != ::getpid()) {
      forker = new Forker;
      owner = ::getpid();
    }
    return *forker;
  }

  void run(const std::function<void()>& job) {
    const std::lock_guard one_at_a_time(callers_);
    std::unique_lock lock(mutex_);
    job_ = &job;
    changed_.notify_all();
    changed_.wait(lock, [&] { return job_ == nullptr; });
  }

 private:
  Forker() {
    std::thread([this] { loop(); }).detach();
  }

  void loop() {
    sigset_t all;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, nullptr);
    std::unique_lock lock(mutex_);
    for (;;) {
      changed_.wait(lock, [&] { return job_ != nullptr; });
      (*job_)();
      job_ = nullptr;
      changed_.notify_all();
    }
  }

  std::mutex callers_;
  std::mutex mutex_;
  std::condition_variable changed_;
  const std::function<void()>* job_ = nullptr;
};

/// All that the child needs, made before the fork: between fork and exec only system calls are
/// safe.
struct ChildPlan {
  std::vector<char*> arguments;
  std::vector<char*> environment;
  std::vector<int> descriptors;
  ChildIdentity identity;
  std::array<std::pair<int, rlimit>, 4> limits;
  int null_input = -1;
  int messages = -1;
  int failure = -1;
  pid_t parent = -1;
};

void limit_child(const ChildPlan& plan) {
  for (const auto& [resource, limit] : plan.limits) {
    ::syscall(SYS_prlimit64, 0, resource, &limit, nullptr);
  }
}

/// Through the bare system calls: the library's versions want to reach all threads of the parent.
bool drop_privileges(const ChildIdentity& identity) {
  return !identity.changes ||
         (::syscall(SYS_setgroups, 0, nullptr) == 0 &&
          ::syscall(SYS_setresgid, identity.group, identity.group, identity.group) == 0 &&
          ::syscall(SYS_setresuid, identity.user, identity.user, identity.user) == 0);
}

/// Moves the inherited descriptors to 3, 4, …; all others close at exec.
bool place_descriptors(ChildPlan& plan) {
  const int first_free = kFirstInherited + static_cast<int>(plan.descriptors.size());
  plan.failure = ::fcntl(plan.failure, F_DUPFD_CLOEXEC, first_free);
  plan.null_input = ::fcntl(plan.null_input, F_DUPFD_CLOEXEC, first_free);
  plan.messages = ::fcntl(plan.messages, F_DUPFD_CLOEXEC, first_free);
  for (int& fd : plan.descriptors) fd = ::fcntl(fd, F_DUPFD_CLOEXEC, first_free);
  int number = kFirstInherited;
  bool good = ::dup2(plan.null_input, STDIN_FILENO) >= 0 &&
              ::dup2(plan.messages, STDOUT_FILENO) >= 0 &&
              ::dup2(plan.messages, STDERR_FILENO) >= 0;
  for (const int fd : plan.descriptors) good = good && ::dup2(fd, number++) >= 0;
  ::syscall(SYS_close_range, first_free, ~0U, CLOSE_RANGE_CLOEXEC);
  return good;
}

[[noreturn]] void run_child(ChildPlan& plan) {
  if (place_descriptors(plan)) {
    ::setsid();
    sigset_t none;
    ::sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE}) {
      ::signal(number, SIG_DFL);
    }
    limit_child(plan);
    // A change of user clears the death signal, so it is set after it.
    if (drop_privileges(plan.identity) && ::chdir("/") == 0 &&
        ::prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && ::getppid() == plan.parent) {
      ::execvpe(plan.arguments[0], plan.arguments.data(), plan.environment.data());
    }
  }
  const int reason = errno;
  [[maybe_unused]] const ssize_t ignored = ::write(plan.failure, &reason, sizeof reason);
  ::_exit(127);
}

std::vector<char*> pointers(std::vector<std::string>& strings) {
  std::vector<char*> result;
  for (auto& text : strings) result.push_back(text.data());
  result.push_back(nullptr);
  return result;
}

rlimit exactly(std::uint64_t value) {
  return {value, value};
}

}  // namespace

int InheritedDescriptors::add(int fd) {
  descriptors_.push_back(fd);
  return kFirstInherited + static_cast<int>(descriptors_.size()) - 1;
}

ChildIdentity child_identity(bool kvm) {
  constexpr uid_t kNobody = 65534;
  if (::geteuid() != 0) return {};
  ChildIdentity identity{true, kNobody, kNobody, {}};
  if (const passwd* nobody = ::getpwnam("nobody"); nobody != nullptr) {
    identity.user = nobody->pw_uid;
    identity.group = nobody->pw_gid;
  }
  struct stat device {};
  constexpr mode_t kGroupAccess = S_IRGRP | S_IWGRP;
  if (kvm && ::stat("/dev/kvm", &device) == 0 && (device.st_mode & kGroupAccess) == kGroupAccess &&
      device.st_gid != 0) {
    identity.device_group = device.st_gid;
  }
  return identity;
}

ChildProcess ChildProcess::start(const std::vector<std::string>& argv,
                                 const InheritedDescriptors& descriptors,
                                 const ProcessLimits& limits, const ChildIdentity& identity) {
  std::vector<std::string> argument_strings = argv;
  std::vector<std::string> environment_strings = {"LC_ALL=C", "HOME=/"};
  if (const char* path = ::getenv("PATH"); path != nullptr) {
    environment_strings.push_back(std::string("PATH=") + path);
  }
  const base::FileDescriptor null_input(
      base::check_system_call("open /dev/null", ::open("/dev/null", O_RDONLY | O_CLOEXEC)));
  int failure_ends[2];
  base::check_system_call("pipe2", ::pipe2(failure_ends, O_CLOEXEC));
  const base::FileDescriptor failure_read(failure_ends[0]);
  base::FileDescriptor failure_write(failure_ends[1]);

  ChildProcess child;
  child.messages_ = base::FileDescriptor(
      base::check_system_call("memfd_create", ::memfd_create("messages", MFD_CLOEXEC)));
  base::check_system_call("fcntl", ::fcntl(child.messages_.get(), F_SETFL, O_APPEND));

  ChildPlan plan;
  plan.arguments = pointers(argument_strings);
  plan.environment = pointers(environment_strings);
  plan.descriptors = descriptors.descriptors();
  plan.identity = identity;
  plan.limits = {std::pair{RLIMIT_AS, exactly(limits.address_space)},
                 {RLIMIT_FSIZE, exactly(limits.file_size)},
                 {RLIMIT_CPU, exactly(static_cast<std::uint64_t>(limits.cpu_time.count()))},
                 {RLIMIT_CORE, exactly(0)}};
  plan.null_input = null_input.get();
  plan.messages = child.messages_.get();
  plan.failure = failure_write.get();
  plan.parent = ::getpid();

  int fork_error = 0;
  Forker::instance().run([&] {
    child.pid_ = ::fork();
    if (child.pid_ == 0) run_child(plan);
    if (child.pid_ < 0) fork_error = errno;
    if (child.pid_ > 0) remember_child(child.pid_);
  });
  if (child.pid_ < 0) {
    errno = fork_error;
    base::throw_system_error("fork");
  }
  failure_write.reset();
  child.exit_descriptor_ = base::FileDescriptor(base::check_system_call(
      "pidfd_open", static_cast<int>(::syscall(SYS_pidfd_open, child.pid_, 0))));

  int reason = 0;
  ssize_t got = 0;
  do {
    got = ::read(failure_read.get(), &reason, sizeof reason);
  } while (got < 0 && errno == EINTR);
  if (got == sizeof reason) {
    child.kill();
    errno = reason;
    base::throw_system_error("run " + argv.at(0));
  }
  return child;
}

ChildProcess::ChildProcess(ChildProcess&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)),
      exit_descriptor_(std::move(other.exit_descriptor_)),
      messages_(std::move(other.messages_)),
      end_(other.end_) {}

ChildProcess& ChildProcess::operator=(ChildProcess&& other) noexcept {
  if (this != &other) {
    kill();
    pid_ = std::exchange(other.pid_, -1);
    exit_descriptor_ = std::move(other.exit_descriptor_);
    messages_ = std::move(other.messages_);
    end_ = other.end_;
  }
  return *this;
}

ChildProcess::~ChildProcess() {
  kill();
}

std::optional<ProcessEnd> ChildProcess::wait(const base::Deadline& deadline) {
  if (end_ || pid_ < 0) return end_;
  pollfd waits = {exit_descriptor_.get(), POLLIN, 0};
  while (::poll(&waits, 1, deadline.poll_timeout()) < 0 && errno == EINTR) {
  }
  if (waits.revents == 0) return std::nullopt;
  int status = 0;
  while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
  }
  forget_child(pid_);
  end_ = ProcessEnd{WIFEXITED(status) ? WEXITSTATUS(status) : -1,
                    WIFSIGNALED(status) ? WTERMSIG(status) : 0};
  return end_;
}

void ChildProcess::kill() {
  if (end_ || pid_ < 0) return;
  ::kill(pid_, SIGKILL);
  int status = 0;
  while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
  }
  forget_child(pid_);
  end_ = ProcessEnd{WIFEXITED(status) ? WEXITSTATUS(status) : -1,
                    WIFSIGNALED(status) ? WTERMSIG(status) : 0};
}

std::string ChildProcess::messages(std::size_t limit) const {
  struct stat status {};
  if (!messages_.valid() || ::fstat(messages_.get(), &status) < 0) return {};
  const auto size = static_cast<std::size_t>(status.st_size);
  std::string text(std::min(size, limit), '\0');
  const ssize_t got =
      ::pread(messages_.get(), text.data(), text.size(), static_cast<off_t>(size - text.size()));
  text.resize(got < 0 ? 0 : static_cast<std::size_t>(got));
  return text;
}

}  // namespace zcl::vm
