// SPDX-License-Identifier: MIT
#include "harness/vm/initramfs.hh"

#include <archive.h>
#include <archive_entry.h>

#include <algorithm>
#include <memory>
#include <set>

#include "harness/base/error.hh"
#include "harness/base/paths.hh"
#include "harness/guest/protocol.hh"
#include "harness/vm/checksum.hh"
#include "harness/vm/stock_modules.hh"

namespace zcl::vm {

namespace {

/// What the agent's own port and the panic device need.
const std::vector<std::string> kAgentModules = {"virtio_pci", "virtio_console", "pvpanic_pci"};
/// Drivers that an experiment may load later.
const std::vector<std::string> kSpareModules = {"e1000", "8139cp", "8139too", "virtio_net"};

struct ArchiveCloser {
  void operator()(archive* writer) const { ::archive_write_free(writer); }
};
struct EntryFreer {
  void operator()(archive_entry* entry) const { ::archive_entry_free(entry); }
};

/// Appends entries to a buffer in memory.
class CpioWriter {
 public:
  explicit CpioWriter(base::Bytes& to) : to_(to), writer_(::archive_write_new()) {
    check(::archive_write_set_format_cpio_newc(writer_.get()));
    check(::archive_write_set_bytes_per_block(writer_.get(), 0));
    check(::archive_write_open2(writer_.get(), &to_, nullptr, append, nullptr, nullptr));
  }

  void add(const std::string& path, unsigned type, unsigned mode, base::ByteView content) {
    const std::unique_ptr<archive_entry, EntryFreer> entry(::archive_entry_new());
    ::archive_entry_set_pathname(entry.get(), path.c_str());
    ::archive_entry_set_filetype(entry.get(), type);
    ::archive_entry_set_perm(entry.get(), mode);
    ::archive_entry_set_size(entry.get(), static_cast<la_int64_t>(content.size()));
    ::archive_entry_set_nlink(entry.get(), 1);
    ::archive_entry_set_ino64(entry.get(), ++inode_);
    check(::archive_write_header(writer_.get(), entry.get()));
    if (content.empty()) return;
    if (::archive_write_data(writer_.get(), content.data(), content.size()) < 0) {
      check(ARCHIVE_FATAL);
    }
  }

  void add_device(const std::string& path, unsigned major, unsigned minor) {
    const std::unique_ptr<archive_entry, EntryFreer> entry(::archive_entry_new());
    ::archive_entry_set_pathname(entry.get(), path.c_str());
    ::archive_entry_set_filetype(entry.get(), AE_IFCHR);
    ::archive_entry_set_perm(entry.get(), 0600);
    ::archive_entry_set_size(entry.get(), 0);
    ::archive_entry_set_nlink(entry.get(), 1);
    ::archive_entry_set_rdevmajor(entry.get(), major);
    ::archive_entry_set_rdevminor(entry.get(), minor);
    ::archive_entry_set_ino64(entry.get(), ++inode_);
    check(::archive_write_header(writer_.get(), entry.get()));
  }

  void finish() { check(::archive_write_close(writer_.get())); }

 private:
  static la_ssize_t append(archive* /*writer*/, void* to, const void* bytes, std::size_t count) {
    auto& buffer = *static_cast<base::Bytes*>(to);
    const auto* begin = static_cast<const std::uint8_t*>(bytes);
    buffer.insert(buffer.end(), begin, begin + count);
    return static_cast<la_ssize_t>(count);
  }

  void check(int result) {
    if (result != ARCHIVE_OK) {
      const char* reason = ::archive_error_string(writer_.get());
      throw EnvironmentError(std::string("The initramfs cannot be written: ") +
                             (reason != nullptr ? reason : "libarchive failed") + ".");
    }
  }

  base::Bytes& to_;
  std::unique_ptr<archive, ArchiveCloser> writer_;
  std::int64_t inode_ = 0;
};

base::Bytes to_bytes(const std::string& text) {
  return {text.begin(), text.end()};
}

/// modules.dep for exactly the modules in the image: a file, then what it needs, nearest first.
std::string dependency_table(const std::vector<StockModule>& modules) {
  std::string table;
  for (const auto& module : modules) {
    table += module.path.string() + ":";
    std::set<std::string> needed = {module.name};
    std::string files;
    // `modules` is in load order, so walking back from the module meets all it needs.
    const auto self = std::find_if(modules.begin(), modules.end(),
                                   [&](const auto& other) { return other.name == module.name; });
    for (auto other = std::make_reverse_iterator(self + 1); other != modules.rend(); ++other) {
      if (!needed.contains(other->name)) continue;
      needed.insert(other->needs.begin(), other->needs.end());
      if (other->name != module.name) files += " " + other->path.string();
    }
    table += files + "\n";
  }
  return table;
}

base::Bytes agent_binary() {
  const auto path = base::build_root() / "zcl_agent";
  try {
    return base::read_file(path);
  } catch (const std::system_error& error) {
    throw EnvironmentError("The guest agent " + path.string() + " cannot be read (" +
                           error.code().message() + "): run `make`.");
  }
}

}  // namespace

base::Bytes make_cpio(const std::vector<ArchiveFile>& files) {
  base::Bytes image;
  CpioWriter writer(image);
  std::set<std::string> directories;
  const auto add_parents = [&](const std::string& path) {
    for (auto slash = path.find('/'); slash != std::string::npos;
         slash = path.find('/', slash + 1)) {
      const auto directory = path.substr(0, slash);
      if (directories.insert(directory).second) writer.add(directory, AE_IFDIR, 0755, {});
    }
  };
  // The kernel opens /dev/console for PID 1 before anything is mounted.
  for (const auto* mount_point : {"dev/", "proc/", "sys/", "tmp/", "run/"}) {
    add_parents(mount_point);
  }
  writer.add_device("dev/console", 5, 1);
  for (const auto& file : files) {
    add_parents(file.path);
    writer.add(file.path, AE_IFREG, file.mode, file.content);
  }
  writer.finish();
  return image;
}

std::filesystem::path initramfs_image(const KernelPackage& kernel,
                                      const std::vector<std::string>& boot_modules) {
  const base::Bytes agent = agent_binary();
  std::string load_list;
  for (const auto& name : kAgentModules) load_list += name + "\n";
  for (const auto& name : boot_modules) load_list += name + "\n";

  constexpr auto kFormat = "initramfs 2\n";
  std::uint64_t key = crc64(kFormat + load_list + kernel.release + kernel.package_version +
                            kernel.modules.string());
  key = crc64(agent, key);
  const auto folder = base::cache_root() / "initramfs";
  const auto path = folder / (hexadecimal(key) + ".cpio");
  if (std::filesystem::exists(path)) return path;

  std::vector<std::string> wanted = kAgentModules;
  wanted.insert(wanted.end(), boot_modules.begin(), boot_modules.end());
  wanted.insert(wanted.end(), kSpareModules.begin(), kSpareModules.end());
  const StockModuleTree tree(kernel.modules);
  const auto modules = tree.closure(wanted);

  const std::string prefix = "lib/modules/" + kernel.release + "/";
  std::vector<ArchiveFile> files;
  files.push_back({"init", agent, 0755});
  files.push_back({std::string(guest::kBootModulesFile).substr(1), to_bytes(load_list)});
  files.push_back({prefix + "modules.dep", to_bytes(dependency_table(modules))});
  files.push_back({prefix + "modules.builtin", to_bytes(tree.built_in())});
  for (const auto& module : modules) {
    files.push_back({prefix + module.path.string(), module.image});
  }
  try {
    std::filesystem::create_directories(folder);
    base::write_file_atomically(path.string(), make_cpio(files));
  } catch (const std::system_error& error) {
    throw EnvironmentError("The initramfs cannot be written to " + path.string() + ": " +
                           error.code().message() + ".");
  }
  return path;
}

}  // namespace zcl::vm
