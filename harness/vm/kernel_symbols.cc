// SPDX-License-Identifier: MIT
#include "harness/vm/kernel_symbols.hh"

#include <bpf/btf.h>
#include <bpf/libbpf.h>

#include <algorithm>
#include <charconv>
#include <limits>
#include <stdexcept>
#include <string_view>
#include <unordered_map>

#include "harness/base/error.hh"

namespace zcl::vm {
namespace {

struct FreeBtf {
  void operator()(btf* types) const { btf__free(types); }
};

/// Anonymous members nest a few levels in the kernel; more is damage.
constexpr int kDeepestNesting = 16;

/// The next word of `line`, which is taken off its front.
std::string_view take_word(std::string_view& line) {
  const std::size_t start = line.find_first_not_of(" \t");
  if (start == std::string_view::npos) return line = {};
  const std::size_t stop = std::min(line.find_first_of(" \t", start), line.size());
  const std::string_view word = line.substr(start, stop - start);
  line.remove_prefix(stop);
  return word;
}

}  // namespace

struct KernelSymbols::Tables {
  std::unordered_map<std::string, VirtualAddress> addresses;
  std::unique_ptr<btf, FreeBtf> types;

  void read_kallsyms(std::string_view text);
  void read_btf(base::ByteView content);
  [[nodiscard]] const btf_type* type(std::uint32_t id) const;
  [[nodiscard]] const btf_type* compound(const std::string& name) const;
  [[nodiscard]] std::optional<std::uint64_t> bit_offset(const btf_type* type,
                                                        std::string_view member, int depth) const;
};

void KernelSymbols::Tables::read_kallsyms(std::string_view text) {
  bool any_address = false;
  while (!text.empty()) {
    std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    const std::string_view address = take_word(line);
    const std::string_view kind = take_word(line);
    const std::string_view name = take_word(line);
    if (address.empty()) continue;
    VirtualAddress value = 0;
    const auto parsed = std::from_chars(address.data(), address.data() + address.size(), value, 16);
    if (parsed.ec != std::errc() || parsed.ptr != address.data() + address.size() ||
        kind.size() != 1 || name.empty()) {
      throw EnvironmentError(
          "the guest's /proc/kallsyms is damaged: no symbol in the line that starts \"" +
          std::string(address.substr(0, 32)) + "\". Boot the template again (make clean).");
    }
    any_address = any_address || value != 0;
    // The kernel's own symbols come first; a module's of the same name does not replace them.
    addresses.emplace(name, value);
  }
  if (!any_address) {
    throw EnvironmentError(
        "the guest's /proc/kallsyms has no address: it was read without the right to see them "
        "(kernel.kptr_restrict), or is empty. Boot the template again (make clean).");
  }
}

void KernelSymbols::Tables::read_btf(base::ByteView content) {
  // libbpf prints its complaints on standard error; ours says all there is to say.
  libbpf_set_print(nullptr);
  if (!content.empty() && content.size() <= std::numeric_limits<std::uint32_t>::max()) {
    types.reset(btf__new(content.data(), static_cast<std::uint32_t>(content.size())));
  }
  if (!types || libbpf_get_error(types.get()) != 0) {
    types.release();
    throw EnvironmentError(
        "the guest kernel's type information (/sys/kernel/btf/vmlinux) is missing or damaged. "
        "Boot the template again (make clean); the kernel must be built with "
        "CONFIG_DEBUG_INFO_BTF.");
  }
}

const btf_type* KernelSymbols::Tables::type(std::uint32_t id) const {
  // Qualifiers and typedefs are looked through; a chain of them has an end, even in damaged data.
  const btf_type* type = btf__type_by_id(types.get(), id);
  for (int i = 0; type != nullptr && i < kDeepestNesting; ++i) {
    if (!btf_is_mod(type) && !btf_is_typedef(type)) return type;
    type = btf__type_by_id(types.get(), type->type);
  }
  return nullptr;
}

const btf_type* KernelSymbols::Tables::compound(const std::string& name) const {
  for (const std::uint32_t kind : {BTF_KIND_STRUCT, BTF_KIND_UNION, BTF_KIND_TYPEDEF}) {
    const int id = btf__find_by_name_kind(types.get(), name.c_str(), kind);
    if (id <= 0) continue;
    const btf_type* found = type(static_cast<std::uint32_t>(id));
    if (found != nullptr && btf_is_composite(found)) return found;
  }
  throw std::out_of_range("the guest kernel has no struct " + name);
}

std::optional<std::uint64_t> KernelSymbols::Tables::bit_offset(const btf_type* in,
                                                               std::string_view member,
                                                               int depth) const {
  if (in == nullptr || !btf_is_composite(in) || depth > kDeepestNesting) return std::nullopt;
  const std::string_view first = member.substr(0, member.find('.'));
  const std::string_view rest =
      first.size() == member.size() ? std::string_view{} : member.substr(first.size() + 1);
  const btf_member* members = btf_members(in);
  for (std::uint32_t i = 0; i < btf_vlen(in); ++i) {
    const char* name = btf__name_by_offset(types.get(), members[i].name_off);
    const std::uint64_t offset = btf_member_bit_offset(in, i);
    if (name == nullptr) continue;
    if (*name == '\0') {
      const auto inner = bit_offset(type(members[i].type), member, depth + 1);
      if (inner) return offset + *inner;
    } else if (first == name) {
      if (rest.empty()) return offset;
      const auto inner = bit_offset(type(members[i].type), rest, depth + 1);
      if (!inner) return std::nullopt;
      return offset + *inner;
    }
  }
  return std::nullopt;
}

KernelSymbols::KernelSymbols(const std::string& kallsyms, base::ByteView btf)
    : tables_(std::make_unique<Tables>()) {
  tables_->read_kallsyms(kallsyms);
  tables_->read_btf(btf);
}

KernelSymbols::KernelSymbols(KernelSymbols&&) noexcept = default;
KernelSymbols& KernelSymbols::operator=(KernelSymbols&&) noexcept = default;
KernelSymbols::~KernelSymbols() = default;

VirtualAddress KernelSymbols::address(const std::string& symbol) const {
  const auto found = find(symbol);
  if (!found) throw std::out_of_range("the guest kernel has no symbol " + symbol);
  return *found;
}

std::optional<VirtualAddress> KernelSymbols::find(const std::string& symbol) const {
  const auto found = tables_->addresses.find(symbol);
  if (found == tables_->addresses.end()) return std::nullopt;
  return found->second;
}

std::optional<KernelSymbols::Nearest> KernelSymbols::nearest(VirtualAddress address) const {
  // Per-CPU symbols are small numbers, not addresses.
  constexpr VirtualAddress kUpperHalf = 1ULL << 63;
  const std::pair<const std::string, VirtualAddress>* best = nullptr;
  for (const auto& symbol : tables_->addresses) {
    if (symbol.second > address || symbol.second < kUpperHalf) continue;
    // Of several names of one address always the same, whatever order the table has.
    if (best == nullptr || symbol.second > best->second ||
        (symbol.second == best->second && symbol.first < best->first)) {
      best = &symbol;
    }
  }
  if (best == nullptr) return std::nullopt;
  return Nearest{best->first, address - best->second};
}

std::uint64_t KernelSymbols::offset(const std::string& type, const std::string& member) const {
  const auto bits = tables_->bit_offset(tables_->compound(type), member, 0);
  if (!bits) throw std::out_of_range("the guest kernel's struct " + type + " has no " + member);
  if (*bits % 8 != 0) throw std::out_of_range(type + "." + member + " does not start on a byte");
  return *bits / 8;
}

bool KernelSymbols::has_member(const std::string& type, const std::string& member) const {
  for (const std::uint32_t kind : {BTF_KIND_STRUCT, BTF_KIND_UNION}) {
    const int id = btf__find_by_name_kind(tables_->types.get(), type.c_str(), kind);
    if (id > 0) {
      return tables_->bit_offset(tables_->type(static_cast<std::uint32_t>(id)), member, 0)
          .has_value();
    }
  }
  return false;
}

std::uint64_t KernelSymbols::size(const std::string& type) const {
  return tables_->compound(type)->size;
}

std::optional<std::uint64_t> KernelSymbols::enumerator(const std::string& type,
                                                       const std::string& name) const {
  const int id = btf__find_by_name_kind(tables_->types.get(), type.c_str(), BTF_KIND_ENUM);
  if (id <= 0) return std::nullopt;
  const btf_type* found = tables_->type(static_cast<std::uint32_t>(id));
  const struct btf_enum* values = btf_enum(found);
  for (std::uint32_t i = 0; i < btf_vlen(found); ++i) {
    const char* have = btf__name_by_offset(tables_->types.get(), values[i].name_off);
    if (have != nullptr && name == have) {
      return static_cast<std::uint32_t>(values[i].val);
    }
  }
  return std::nullopt;
}

}  // namespace zcl::vm
