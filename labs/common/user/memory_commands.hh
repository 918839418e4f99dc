// SPDX-License-Identifier: MIT
// Commands that any probe has: files, ioctls, mappings, and memory that may not be there.
#pragma once

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "guarded_read.hh"
#include "text_protocol.hh"

namespace zcl::user {

inline std::string hex_number(const void* address) {
  return "0x" + to_hex_number(reinterpret_cast<std::uintptr_t>(address));
}

inline int flags_of(const std::string& word) {
  static const std::map<std::string, int> flags = {
      {"r", O_RDONLY}, {"rw", O_RDWR}, {"sync", O_RDWR | O_SYNC}};
  return flags.at(word);
}

inline int protection_of(const std::string& letters) {
  int protection = PROT_NONE;
  for (const char letter : letters) {
    if (letter == 'r') protection |= PROT_READ;
    if (letter == 'w') protection |= PROT_WRITE;
    if (letter == 'x') protection |= PROT_EXEC;
  }
  return protection;
}

inline void* map(int file, std::uint64_t offset, std::size_t length, int protection, int flags) {
  void* address = ::mmap(nullptr, length, protection, flags, file, static_cast<off_t>(offset));
  if (address == MAP_FAILED) throw_errno("mmap");
  return address;
}

/// Each entry's comment gives its arguments.
inline const Commands kMemoryCommands = {
    // PATH r|rw|sync -> descriptor
    {"open",
     [](Arguments& a) {
       const auto path = a.word();
       return std::to_string(check("open", ::open(path.c_str(), flags_of(a.word()) | O_CLOEXEC)));
     }},
    {"close", [](Arguments& a) { return std::to_string(check("close", ::close(a.descriptor()))); }},
    // DESCRIPTOR OFFSET LENGTH PROTECTION shared|private -> address
    {"map",
     [](Arguments& a) {
       const int file = a.descriptor();
       const auto offset = a.number();
       const auto length = a.number();
       const int protection = protection_of(a.word());
       return hex_number(
           map(file, offset, length, protection, a.word() == "private" ? MAP_PRIVATE : MAP_SHARED));
     }},
    // LENGTH -> address
    {"anonymous",
     [](Arguments& a) {
       return hex_number(map(-1, 0, a.number(), PROT_READ | PROT_WRITE,
                             MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE));
     }},
    // ADDRESS LENGTH
    {"unmap",
     [](Arguments& a) {
       void* address = a.address();
       check("munmap", ::munmap(address, a.number()));
       return Answer();
     }},
    // ADDRESS LENGTH PROTECTION
    {"protect",
     [](Arguments& a) {
       void* address = a.address();
       const auto length = a.number();
       check("mprotect", ::mprotect(address, length, protection_of(a.word())));
       return Answer();
     }},
    // ADDRESS OLD_LENGTH NEW_LENGTH -> address
    {"remap",
     [](Arguments& a) {
       void* address = a.address();
       const auto old_length = a.number();
       void* moved = ::mremap(address, old_length, a.number(), MREMAP_MAYMOVE);
       if (moved == MAP_FAILED) throw_errno("mremap");
       return hex_number(moved);
     }},
    // ADDRESS: reads one byte
    {"touch",
     [](Arguments& a) {
       const volatile std::uint8_t* address = a.address();
       guarded_call([&] { static_cast<void>(*address); });
       return Answer();
     }},
    // ADDRESS LENGTH -> hexadecimal
    {"peek",
     [](Arguments& a) {
       const std::uint8_t* address = a.address();
       return to_hex(address, a.number());
     }},
    // ADDRESS HEX
    {"poke",
     [](Arguments& a) {
       std::uint8_t* address = a.address();
       auto bytes = a.bytes();
       store(address, bytes);
       wipe(bytes);
       return Answer();
     }},
    // ADDRESS VALUE: one store of 32 bits, as device registers want it
    {"poke32",
     [](Arguments& a) {
       auto* address = reinterpret_cast<volatile std::uint32_t*>(a.address());
       *address = static_cast<std::uint32_t>(a.number());
       return Answer();
     }},
    // -> pid of a child that holds everything and sleeps until it is killed
    {"fork",
     [](Arguments&) {
       const pid_t child = check("fork", ::fork());
       if (child == 0) {
         for (;;) ::pause();
       }
       return std::to_string(child);
     }},
    // PID
    {"kill",
     [](Arguments& a) {
       const auto child = static_cast<pid_t>(a.number());
       check("kill", ::kill(child, SIGKILL));
       check("waitpid", ::waitpid(child, nullptr, 0));
       return Answer();
     }},
    // DESCRIPTOR COMMAND HEX: any ioctl with any argument struct -> the struct afterwards
    {"ioctl",
     [](Arguments& a) {
       const int file = a.descriptor();
       const auto command = a.number();
       auto argument = a.bytes();
       check("ioctl", ::ioctl(file, command, argument.data()));
       return to_hex(argument.data(), argument.size());
     }},
    // DESCRIPTOR COMMAND NUMBER: any ioctl with any number or pointer
    {"ioctl_number",
     [](Arguments& a) {
       const int file = a.descriptor();
       const auto command = a.number();
       check("ioctl", ::ioctl(file, command, a.number()));
       return Answer();
     }},
};

}  // namespace zcl::user
