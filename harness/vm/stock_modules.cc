// SPDX-License-Identifier: MIT
#include "harness/vm/stock_modules.hh"

#include <elf.h>
#include <lzma.h>

#include <algorithm>
#include <cstring>
#include <functional>
#include <set>
#include <sstream>
#include <stdexcept>
#include <string_view>

#include "harness/base/error.hh"

namespace zcl::vm {

namespace {

constexpr std::size_t kMaxModuleSize = 256U << 20;

/// "kernel/net/foo-bar.ko.xz" -> "foo_bar"
std::string module_name(const std::filesystem::path& path) {
  std::string name = path.filename().string();
  name = name.substr(0, name.find(".ko"));
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

base::Bytes decompress_xz(base::ByteView packed) {
  std::uint64_t memory_limit = 256U << 20;
  std::size_t in = 0;
  for (std::size_t size = std::max<std::size_t>(packed.size() * 8, 4096); size <= kMaxModuleSize;
       size *= 2) {
    base::Bytes image(size);
    std::size_t out = 0;
    in = 0;
    const lzma_ret result = lzma_stream_buffer_decode(&memory_limit, 0, nullptr, packed.data(), &in,
                                                      packed.size(), image.data(), &out, size);
    if (result == LZMA_OK) {
      image.resize(out);
      return image;
    }
    if (result != LZMA_BUF_ERROR) break;
  }
  throw std::invalid_argument("not an xz file");
}

template <typename T>
T load_at(base::ByteView image, std::uint64_t offset) {
  if (offset > image.size() || image.size() - offset < sizeof(T)) {
    throw std::invalid_argument("truncated ELF file");
  }
  T value;
  std::memcpy(&value, image.data() + offset, sizeof value);
  return value;
}

base::ByteView section_bytes(base::ByteView image, const Elf64_Shdr& section) {
  if (section.sh_offset > image.size() || image.size() - section.sh_offset < section.sh_size) {
    throw std::invalid_argument("truncated ELF file");
  }
  return image.subspan(section.sh_offset, section.sh_size);
}

/// The content of section `name`.
base::ByteView find_section(base::ByteView image, std::string_view name) {
  const auto header = load_at<Elf64_Ehdr>(image, 0);
  if (std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 || header.e_ident[EI_CLASS] != ELFCLASS64) {
    throw std::invalid_argument("not a 64-bit ELF file");
  }
  const auto section = [&](std::uint64_t index) {
    return load_at<Elf64_Shdr>(image, header.e_shoff + index * sizeof(Elf64_Shdr));
  };
  const auto names = section_bytes(image, section(header.e_shstrndx));
  for (std::uint64_t index = 0; index < header.e_shnum; ++index) {
    const auto candidate = section(index);
    if (candidate.sh_name >= names.size()) continue;
    const auto* begin = reinterpret_cast<const char*>(names.data()) + candidate.sh_name;
    if (std::string_view(begin, ::strnlen(begin, names.size() - candidate.sh_name)) == name) {
      return section_bytes(image, candidate);
    }
  }
  throw std::invalid_argument("no section " + std::string(name));
}

std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> parts;
  std::istringstream stream(text);
  for (std::string part; std::getline(stream, part, separator);) {
    if (!part.empty()) parts.push_back(part);
  }
  return parts;
}

}  // namespace

base::Bytes elf_section(base::ByteView image, const std::string& name) {
  const auto section = find_section(image, name);
  return {section.begin(), section.end()};
}

std::vector<std::string> modinfo(base::ByteView image, const std::string& key) {
  const auto section = find_section(image, ".modinfo");
  const std::string text(section.begin(), section.end());
  std::vector<std::string> values;
  for (const auto& entry : split(text, '\0')) {
    if (entry.starts_with(key + "=")) values.push_back(entry.substr(key.size() + 1));
  }
  return values;
}

StockModuleTree::StockModuleTree(std::filesystem::path tree) : tree_(std::move(tree)) {
  try {
    for (const auto& entry : std::filesystem::recursive_directory_iterator(tree_ / "kernel")) {
      const auto& path = entry.path();
      if (path.filename().string().find(".ko") == std::string::npos) continue;
      files_.emplace(module_name(path), path.lexically_relative(tree_));
    }
    built_in_ = base::read_text_file(tree_ / "modules.builtin");
  } catch (const std::system_error& error) {
    throw EnvironmentError("The kernel's modules in " + tree_.string() + " cannot be read (" +
                           error.what() + "): run `make setup`.");
  }
}

bool StockModuleTree::is_built_in(const std::string& name) const {
  const auto lines = split(built_in_, '\n');
  return std::any_of(lines.begin(), lines.end(),
                     [&](const std::string& line) { return module_name(line) == name; });
}

StockModule StockModuleTree::load(const std::string& name) const {
  const auto& file = files_.at(name);
  StockModule module{name, file, {}, {}};
  try {
    module.image = base::read_file(tree_ / file);
    if (file.extension() == ".xz") {
      module.image = decompress_xz(module.image);
      module.path.replace_extension();
    }
    for (const auto& value : modinfo(module.image, "depends")) {
      for (auto needed : split(value, ',')) {
        std::replace(needed.begin(), needed.end(), '-', '_');
        module.needs.push_back(needed);
      }
    }
  } catch (const std::exception& error) {
    throw EnvironmentError((tree_ / file).string() + " is damaged (" + error.what() +
                           "): remove build/cache/kernels and run `make setup`.");
  }
  return module;
}

std::vector<StockModule> StockModuleTree::closure(const std::vector<std::string>& names) const {
  std::vector<StockModule> result;
  std::set<std::string> seen;
  const std::function<void(const std::string&)> add = [&](const std::string& asked) {
    const std::string name = module_name(asked);
    if (!seen.insert(name).second) return;
    if (!files_.contains(name)) {
      if (is_built_in(name)) return;
      throw UsageError("The kernel has no module \"" + asked + "\".");
    }
    StockModule module = load(name);
    for (const auto& needed : module.needs) add(needed);
    result.push_back(std::move(module));
  };
  for (const auto& name : names) add(name);
  return result;
}

}  // namespace zcl::vm
