// SPDX-License-Identifier: MIT
#include "harness/vm/source_lines.hh"

#include <dwarf.h>
#include <elfutils/libdwfl.h>

#include <cstdlib>
#include <optional>

namespace zcl::vm {

namespace {

struct Symbol {
  Dwarf_Addr address = 0;
  std::uint64_t size = 0;
};

std::uint64_t distance(std::uint64_t a, std::uint64_t b) {
  return a > b ? a - b : b - a;
}

std::optional<Symbol> find_function(Dwfl_Module* module, const std::string& name,
                                    std::uint64_t size) {
  std::optional<Symbol> best;
  const int count = ::dwfl_module_getsymtab(module);
  for (int i = 1; i < count; ++i) {
    GElf_Sym symbol;
    GElf_Addr address = 0;
    const char* found =
        ::dwfl_module_getsym_info(module, i, &symbol, &address, nullptr, nullptr, nullptr);
    if (found == nullptr || name != found || GELF_ST_TYPE(symbol.st_info) != STT_FUNC) continue;
    if (!best || distance(symbol.st_size, size) < distance(best->size, size)) {
      best = Symbol{address, symbol.st_size};
    }
  }
  return best;
}

std::string base_name(const char* path) {
  return std::filesystem::path(path).filename();
}

bool is_header(const char* path) {
  return std::string_view(path).ends_with(".h");
}

/// Where the code at `address`, inlined from a header, was called in a file that is none.
std::string inlining_caller(Dwfl_Module* module, Dwarf_Addr address) {
  Dwarf_Addr bias = 0;
  Dwarf_Die* unit = ::dwfl_module_addrdie(module, address, &bias);
  if (unit == nullptr) return {};
  Dwarf_Files* files = nullptr;
  std::size_t file_count = 0;
  if (::dwarf_getsrcfiles(unit, &files, &file_count) != 0) return {};
  // From the innermost block at the address; then, since an inlined block's outer scopes there are
  // those of its definition, from that block through the blocks it was inlined into.
  Dwarf_Die* innermost = nullptr;
  if (::dwarf_getscopes(unit, address - bias, &innermost) <= 0) return {};
  Dwarf_Die* scopes = nullptr;
  const int count = ::dwarf_getscopes_die(&innermost[0], &scopes);
  std::free(innermost);
  std::string result;
  for (int i = 0; i < count && result.empty(); ++i) {
    if (::dwarf_tag(&scopes[i]) != DW_TAG_inlined_subroutine) continue;
    Dwarf_Attribute attribute;
    Dwarf_Word file = 0;
    Dwarf_Word line = 0;
    if (::dwarf_formudata(::dwarf_attr(&scopes[i], DW_AT_call_file, &attribute), &file) != 0 ||
        ::dwarf_formudata(::dwarf_attr(&scopes[i], DW_AT_call_line, &attribute), &line) != 0) {
      continue;
    }
    const char* path = ::dwarf_filesrc(files, file, nullptr, nullptr);
    if (path != nullptr && !is_header(path)) result = base_name(path) + ":" + std::to_string(line);
  }
  std::free(scopes);
  return result;
}

}  // namespace

struct SourceLines::Session {
  Dwfl_Callbacks callbacks{};
  Dwfl* dwfl = nullptr;
  Dwfl_Module* module = nullptr;

  explicit Session(const std::filesystem::path& object) {
    callbacks.find_elf = ::dwfl_build_id_find_elf;
    callbacks.find_debuginfo = ::dwfl_standard_find_debuginfo;
    callbacks.section_address = ::dwfl_offline_section_address;
    dwfl = ::dwfl_begin(&callbacks);
    if (dwfl == nullptr) return;
    ::dwfl_report_begin(dwfl);
    module = ::dwfl_report_offline(dwfl, "module", object.c_str(), -1);
    ::dwfl_report_end(dwfl, nullptr, nullptr);
  }
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;
  ~Session() {
    if (dwfl != nullptr) ::dwfl_end(dwfl);
  }
};

SourceLines::SourceLines(const std::filesystem::path& object)
    : session_(std::make_unique<Session>(object)) {}
SourceLines::SourceLines(SourceLines&&) noexcept = default;
SourceLines& SourceLines::operator=(SourceLines&&) noexcept = default;
SourceLines::~SourceLines() = default;

std::string SourceLines::locate(const std::string& function, std::uint64_t offset,
                                std::uint64_t size) const {
  if (session_->module == nullptr) return {};
  const auto symbol = find_function(session_->module, function, size);
  if (!symbol || offset > symbol->size) return {};
  const Dwarf_Addr address = symbol->address + offset;
  Dwfl_Line* line = ::dwfl_module_getsrc(session_->module, address);
  int number = 0;
  const char* path = line == nullptr
                         ? nullptr
                         : ::dwfl_lineinfo(line, nullptr, &number, nullptr, nullptr, nullptr);
  if (path == nullptr) return {};
  if (is_header(path)) {
    if (auto caller = inlining_caller(session_->module, address); !caller.empty()) return caller;
  }
  return base_name(path) + ":" + std::to_string(number);
}

}  // namespace zcl::vm
