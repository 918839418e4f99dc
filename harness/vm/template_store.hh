// SPDX-License-Identifier: MIT
// Booted machines at rest, from which clones start. One file each, in base::shared_memory_root().
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "harness/base/deadline.hh"
#include "harness/base/file_descriptor.hh"
#include "harness/vm/kernel_symbols.hh"

namespace zcl::vm {

/// What booting a machine yields.
struct BootedMachine {
  base::FileDescriptor ram;  ///< nameless file of the machine's memory (make_guest_ram)
  base::Bytes device_state;  ///< QEMU's migration stream
  std::string kallsyms;
  base::Bytes btf;
};

/// A template that can be cloned. The file is held open, so that another process that drops it from
/// the store does not disturb us.
class Template {
 public:
  [[nodiscard]] std::uint64_t ram_size() const { return ram_size_; }
  /// Bytes of memory that a clone begins with.
  [[nodiscard]] std::uint64_t populated() const { return populated_; }
  /// Fills `to` with the memory. Throws EnvironmentError when /dev/shm is full, or when the
  /// template turns out to be damaged (it is then dropped from the store).
  void copy_ram(int to);
  /// A descriptor of its own that stands at the begin of the device state.
  [[nodiscard]] base::FileDescriptor open_device_state() const;
  /// Parsed on first use.
  [[nodiscard]] const KernelSymbols& symbols();

 private:
  friend class TemplateStore;
  Template() = default;
  base::Bytes section(const char* name) const;
  [[noreturn]] void damaged(const std::string& what) const;

  std::string path_;
  base::FileDescriptor file_;
  nlohmann::json description_;
  std::uint64_t ram_size_ = 0;
  std::uint64_t populated_ = 0;
  bool verified_ = false;
  std::int64_t verified_at_ns_ = 0;  ///< the file's modification time when verified
  std::optional<KernelSymbols> symbols_;
};

/// The templates of this user. Two processes may use it at once: a template appears whole (it is
/// linked into place when finished), one process boots it while others wait, and one that is in use
/// stays usable after it was dropped.
class TemplateStore {
 public:
  /// The template named by `key` (a complete description of what it is made of), made by `boot`
  /// where there is none. Throws EnvironmentError: damaged (it is dropped, so that trying again
  /// helps), /dev/shm full.
  static std::shared_ptr<Template> get(const std::string& key, const base::Deadline& deadline,
                                       const std::function<BootedMachine()>& boot);
  /// Whether get() would not boot.
  static bool contains(const std::string& key);
  static std::string path_of(const std::string& key);
  /// Drops the least recently used templates until `bytes` more fit into the store's share of
  /// /dev/shm.
  static void make_room(std::uint64_t bytes);
};

}  // namespace zcl::vm
