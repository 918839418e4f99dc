// SPDX-License-Identifier: MIT
#include "harness/vm/module_code.hh"

#include <elf.h>

#include <algorithm>

namespace zcl::vm {

namespace {

/// The largest modules of a distribution have some 10,000 symbols.
constexpr std::uint32_t kMostSymbols = 1U << 16;
constexpr std::size_t kLongestName = 128;

/// Where x86-64 keeps modules (Documentation/x86/x86_64/mm.rst), and the size of a kernel stack.
constexpr VirtualAddress kModulesBegin = 0xffffffffa0000000;
constexpr VirtualAddress kModulesEnd = 0xffffffffff000000;
constexpr std::uint64_t kStackBytes = 16384;

bool is_modules(VirtualAddress address) {
  return address >= kModulesBegin && address < kModulesEnd;
}

struct ModuleSymbols {
  VirtualAddress table = 0;
  std::uint32_t count = 0;
  VirtualAddress names = 0;
};

std::optional<ModuleSymbols> symbols_of(const KernelView& kernel, VirtualAddress module) {
  const auto tables = kernel.member(module, "module", "kallsyms");
  if (!tables) return std::nullopt;
  const auto table = kernel.member(*tables, "mod_kallsyms", "symtab");
  const auto count = kernel.member<std::uint32_t>(*tables, "mod_kallsyms", "num_symtab");
  const auto names = kernel.member(*tables, "mod_kallsyms", "strtab");
  if (!table || !count || !names) return std::nullopt;
  return ModuleSymbols{*table, std::min(*count, kMostSymbols), *names};
}

std::optional<Elf64_Sym> symbol_at(const KernelView& kernel, const ModuleSymbols& symbols,
                                   VirtualAddress address) {
  for (std::uint32_t i = 1; i < symbols.count; ++i) {
    const auto symbol = kernel.load<Elf64_Sym>(symbols.table + i * sizeof(Elf64_Sym));
    if (!symbol) return std::nullopt;
    if (symbol->st_shndx != SHN_UNDEF && address >= symbol->st_value &&
        address - symbol->st_value < symbol->st_size) {
      return symbol;
    }
  }
  return std::nullopt;
}

}  // namespace

std::optional<TraceFrame> module_frame(const KernelView& kernel, VirtualAddress address) {
  std::optional<TraceFrame> frame;
  const auto head = kernel.symbols().find("modules");
  const auto name = kernel.offset_of("module", "name");
  if (!head || !name) return std::nullopt;
  kernel.for_each_on_list(*head, "module", "list", [&](VirtualAddress module) {
    const auto symbols = symbols_of(kernel, module);
    const auto symbol = symbols ? symbol_at(kernel, *symbols, address) : std::nullopt;
    if (!symbol) return true;
    frame = {.function = kernel.text(symbols->names + symbol->st_name, kLongestName),
             .offset = address - symbol->st_value,
             .size = symbol->st_size,
             .module = kernel.text(module + *name, kLongestName),
             .location = {},
             .reliable = true,
             .caller = false};
    return false;
  });
  return frame;
}

std::optional<TraceFrame> innermost_module_frame(const KernelView& kernel,
                                                 const CpuRegisters& registers) {
  if (registers.user_mode) return std::nullopt;
  if (is_modules(registers.instruction_pointer)) {
    if (auto frame = module_frame(kernel, registers.instruction_pointer)) return frame;
  }
  // The stack ends at a multiple of its size.
  const VirtualAddress end = (registers.stack_pointer | (kStackBytes - 1)) - 7;
  for (VirtualAddress at = registers.stack_pointer & ~VirtualAddress{7}; at <= end; at += 8) {
    const auto word = kernel.load<VirtualAddress>(at);
    if (!word) break;
    if (!is_modules(*word)) continue;
    if (auto frame = module_frame(kernel, *word)) {
      frame->caller = true;
      frame->reliable = false;
      return frame;
    }
  }
  return std::nullopt;
}

}  // namespace zcl::vm
