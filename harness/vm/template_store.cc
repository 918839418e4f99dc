// SPDX-License-Identifier: MIT
#include "harness/vm/template_store.hh"

#include <fcntl.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <map>
#include <mutex>
#include <vector>

#include "harness/base/error.hh"
#include "harness/base/paths.hh"
#include "harness/vm/checksum.hh"
#include "harness/vm/guest_ram.hh"

// A template's file: the guest's memory as QEMU sees it, then the sections, then the description
// (JSON) that names the sections with their checksums, then the trailer.

namespace zcl::vm {

namespace {

constexpr std::uint64_t kMagic = 0x3154'504d'544c'435a;  // "ZCLTMPT1"
constexpr const char* kSuffix = ".template";
constexpr std::uint64_t kMaxDescription = 1U << 20;
constexpr std::chrono::milliseconds kLockRetry{50};

struct Trailer {
  std::uint64_t magic = kMagic;
  std::uint64_t description_size = 0;
  std::uint64_t description_checksum = 0;
};

struct stat status_of(int file) {
  struct stat status {};
  base::check_system_call("fstat", ::fstat(file, &status));
  return status;
}

std::int64_t modified_ns(const struct stat& status) {
  return std::int64_t{status.st_mtim.tv_sec} * 1'000'000'000 + status.st_mtim.tv_nsec;
}

base::Bytes read_at(int file, std::uint64_t offset, std::uint64_t size) {
  base::Bytes bytes(size);
  std::size_t done = 0;
  while (done < size) {
    const ssize_t got =
        ::pread(file, bytes.data() + done, size - done, static_cast<off_t>(offset + done));
    if (got < 0 && errno == EINTR) continue;
    base::check_system_call("pread", got);
    if (got == 0) throw std::out_of_range("the file is too short");
    done += static_cast<std::size_t>(got);
  }
  return bytes;
}

void append(int file, base::ByteView bytes) {
  while (!bytes.empty()) {
    const ssize_t put = ::write(file, bytes.data(), bytes.size());
    if (put < 0 && errno == EINTR) continue;
    if (put < 0 && errno == ENOSPC) throw_shared_memory_full(bytes.size());
    base::check_system_call("write", put);
    bytes = bytes.subspan(static_cast<std::size_t>(put));
  }
}

base::ByteView as_bytes(const std::string& text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

/// Held while one process makes a template. The file stays: removing a lock file races.
base::FileDescriptor lock(const std::string& path, const base::Deadline& deadline) {
  base::FileDescriptor file(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!file.valid()) {
    throw EnvironmentError("Cannot make " + path + ": " + std::strerror(errno) + ".");
  }
  // flock(2) knows no time limit, so it is tried again and again until the deadline.
  while (::flock(file.get(), LOCK_EX | LOCK_NB) < 0) {
    if (errno != EWOULDBLOCK && errno != EINTR) base::throw_system_error("flock " + path);
    if (deadline.passed()) {
      throw EnvironmentError(
          "Another zcl has been booting the same machine for too long (it holds " + path +
          "): end it, or wait, and try again.");
    }
    ::poll(nullptr, 0, static_cast<int>(kLockRetry.count()));
  }
  return file;
}

/// Links the finished, nameless `file` to `path`, replacing what is there.
void publish(int file, const std::string& path) {
  const std::string source = "/proc/self/fd/" + std::to_string(file);
  ::unlink(path.c_str());
  base::check_system_call("linkat " + path, ::linkat(AT_FDCWD, source.c_str(), AT_FDCWD,
                                                     path.c_str(), AT_SYMLINK_FOLLOW));
}

void write_template(const BootedMachine& booted, const std::string& key, const std::string& path) {
  const int file = booted.ram.get();
  const auto ram_size = static_cast<std::uint64_t>(status_of(file).st_size);
  drop_zero_pages(file, ram_size);
  nlohmann::json description = {
      {"key", key},
      {"ram_size", ram_size},
      {"populated", static_cast<std::uint64_t>(status_of(file).st_blocks) * 512},
      {"ram_checksum", checksum_guest_ram(file, ram_size)}};
  std::uint64_t offset = ram_size;
  base::check_system_call("lseek", ::lseek(file, 0, SEEK_END));
  const auto add_section = [&](const char* name, base::ByteView bytes) {
    append(file, bytes);
    description["sections"][name] = {
        {"offset", offset}, {"size", bytes.size()}, {"checksum", crc64(bytes)}};
    offset += bytes.size();
  };
  add_section("device_state", booted.device_state);
  add_section("kallsyms", as_bytes(booted.kallsyms));
  add_section("btf", booted.btf);
  const std::string text = description.dump();
  const Trailer trailer{kMagic, text.size(), crc64(text)};
  append(file, as_bytes(text));
  append(file, {reinterpret_cast<const std::uint8_t*>(&trailer), sizeof trailer});
  // From here on only we write it, and nobody should.
  base::check_system_call("fchown", ::fchown(file, ::getuid(), ::getgid()));
  base::check_system_call("fchmod", ::fchmod(file, 0400));
  publish(file, path);
}

/// The description of an open template file. Throws std::exception when it makes no sense.
nlohmann::json read_description(int file, const std::string& key) {
  const auto size = static_cast<std::uint64_t>(status_of(file).st_size);
  if (size < sizeof(Trailer)) throw std::out_of_range("it is too short");
  const auto raw = read_at(file, size - sizeof(Trailer), sizeof(Trailer));
  Trailer trailer;
  std::memcpy(&trailer, raw.data(), sizeof trailer);
  if (trailer.magic != kMagic || trailer.description_size > kMaxDescription ||
      trailer.description_size > size - sizeof(Trailer)) {
    throw std::out_of_range("its end is missing");
  }
  const auto bytes =
      read_at(file, size - sizeof(Trailer) - trailer.description_size, trailer.description_size);
  if (crc64(bytes) != trailer.description_checksum) {
    throw std::out_of_range("the checksum of its description is wrong");
  }
  auto description = nlohmann::json::parse(bytes);
  if (description.at("key") != key) throw std::out_of_range("it describes another machine");
  return description;
}

std::mutex open_templates_mutex;
/// Templates that this process has open: verified and parsed once.
std::map<std::string, std::shared_ptr<Template>>& open_templates() {
  static std::map<std::string, std::shared_ptr<Template>> templates;
  return templates;
}

/// Still the file that the store names, and not written to since.
bool is_current(const std::string& path, int file) {
  struct stat named {};
  if (::stat(path.c_str(), &named) < 0) return false;
  const auto opened = status_of(file);
  return named.st_ino == opened.st_ino && named.st_dev == opened.st_dev;
}

}  // namespace

void Template::damaged(const std::string& what) const {
  ::unlink(path_.c_str());
  {
    const std::lock_guard guard(open_templates_mutex);
    open_templates().erase(path_);
  }
  throw EnvironmentError("The booted machine in " + path_ + " was damaged (" + what +
                         "), so it has been removed: run the same command again and it is booted "
                         "anew. Should this repeat, find out what writes to /dev/shm.");
}

void Template::copy_ram(int to) {
  const auto modified = modified_ns(status_of(file_.get()));
  const bool verify = !verified_ || modified != verified_at_ns_;
  const std::uint64_t checksum = copy_guest_ram(file_.get(), to, ram_size_, verify);
  if (!verify) return;
  if (checksum != description_.at("ram_checksum").get<std::uint64_t>()) {
    damaged("the checksum of its memory is wrong");
  }
  (void)section("device_state");
  verified_ = true;
  verified_at_ns_ = modified;
}

base::Bytes Template::section(const char* name) const {
  const auto& place = description_.at("sections").at(name);
  base::Bytes bytes;
  try {
    bytes = read_at(file_.get(), place.at("offset").get<std::uint64_t>(),
                    place.at("size").get<std::uint64_t>());
  } catch (const std::exception& error) {
    damaged(error.what());
  }
  if (crc64(bytes) != place.at("checksum").get<std::uint64_t>()) {
    damaged(std::string("the checksum of its ") + name + " is wrong");
  }
  return bytes;
}

base::FileDescriptor Template::open_device_state() const {
  const std::string path = "/proc/self/fd/" + std::to_string(file_.get());
  base::FileDescriptor file(
      base::check_system_call("open " + path_, ::open(path.c_str(), O_RDONLY | O_CLOEXEC)));
  const auto offset = description_.at("sections").at("device_state").at("offset").get<off_t>();
  base::check_system_call("lseek", ::lseek(file.get(), offset, SEEK_SET));
  return file;
}

const KernelSymbols& Template::symbols() {
  if (!symbols_) {
    const auto names = section("kallsyms");
    symbols_.emplace(std::string(names.begin(), names.end()), section("btf"));
  }
  return *symbols_;
}

std::string TemplateStore::path_of(const std::string& key) {
  return (base::shared_memory_root() / (hexadecimal(crc64(key)) + kSuffix)).string();
}

bool TemplateStore::contains(const std::string& key) {
  return std::filesystem::exists(path_of(key));
}

std::shared_ptr<Template> TemplateStore::get(const std::string& key, const base::Deadline& deadline,
                                             const std::function<BootedMachine()>& boot) {
  const std::string path = path_of(key);
  {
    const std::lock_guard guard(open_templates_mutex);
    const auto known = open_templates().find(path);
    if (known != open_templates().end()) {
      if (is_current(path, known->second->file_.get())) {
        const std::array<timespec, 2> now = {timespec{0, UTIME_NOW}, timespec{0, UTIME_OMIT}};
        ::futimens(known->second->file_.get(), now.data());  // for make_room()
        return known->second;
      }
      open_templates().erase(known);
    }
  }
  if (!std::filesystem::exists(path)) {
    const auto held = lock(path + ".lock", deadline);
    if (!std::filesystem::exists(path)) write_template(boot(), key, path);
  }
  std::shared_ptr<Template> opened(new Template);
  opened->path_ = path;
  opened->file_ = base::FileDescriptor(
      base::check_system_call("open " + path, ::open(path.c_str(), O_RDONLY | O_CLOEXEC)));
  const std::array<timespec, 2> now = {timespec{0, UTIME_NOW}, timespec{0, UTIME_OMIT}};
  ::futimens(opened->file_.get(), now.data());
  try {
    opened->description_ = read_description(opened->file_.get(), key);
    opened->ram_size_ = opened->description_.at("ram_size").get<std::uint64_t>();
    opened->populated_ = opened->description_.at("populated").get<std::uint64_t>();
  } catch (const std::exception& error) {
    opened->damaged(error.what());
  }
  const std::lock_guard guard(open_templates_mutex);
  open_templates()[path] = opened;
  return opened;
}

void TemplateStore::make_room(std::uint64_t bytes) {
  struct Entry {
    timespec used;
    std::uint64_t size;
    std::filesystem::path path;
  };
  const auto root = base::shared_memory_root();
  struct statvfs space {};
  base::check_system_call("statvfs", ::statvfs(root.c_str(), &space));
  const std::uint64_t total = std::uint64_t{space.f_blocks} * space.f_frsize;
  std::uint64_t available = std::uint64_t{space.f_bavail} * space.f_frsize;
  const std::uint64_t share = total / 3;
  std::vector<Entry> entries;
  std::uint64_t stored = 0;
  for (const auto& entry : std::filesystem::directory_iterator(root)) {
    struct stat status {};
    if (entry.path().extension() != kSuffix || ::stat(entry.path().c_str(), &status) < 0) continue;
    const auto size = static_cast<std::uint64_t>(status.st_blocks) * 512;
    entries.push_back({status.st_atim, size, entry.path()});
    stored += size;
  }
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
    return std::pair(a.used.tv_sec, a.used.tv_nsec) < std::pair(b.used.tv_sec, b.used.tv_nsec);
  });
  for (const auto& entry : entries) {
    if (stored + bytes <= share && available >= bytes) return;
    std::filesystem::remove(entry.path);
    stored -= entry.size;
    available += entry.size;
  }
}

}  // namespace zcl::vm
