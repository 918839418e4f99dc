// SPDX-License-Identifier: MIT
#include "harness/lab/failure_text.hh"

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <system_error>

#include "harness/base/deadline.hh"
#include "harness/base/error.hh"
#include "harness/lab/procedure.hh"
#include "harness/vm/agent_client.hh"
#include "harness/vm/call_trace.hh"

namespace zcl::lab {

namespace {

/// Lines of the console that are worth showing.
constexpr std::size_t kTailLines = 20;

std::string last_lines(const std::string& text, std::size_t count) {
  std::size_t begin = text.size();
  if (begin > 0 && text[begin - 1] == '\n') --begin;
  while (begin > 0 && count > 0) {
    const auto newline = text.rfind('\n', begin - 1);
    if (newline == std::string::npos) return text;
    begin = newline;
    --count;
  }
  return text.substr(begin + 1);
}

/// The unstripped modules of a lab by the names that the kernel gives them.
vm::ModuleObjects objects_of(const BuiltLab& built) {
  vm::ModuleObjects objects;
  for (const auto& module : built.lab.modules) {
    std::string name = std::filesystem::path(module).stem();
    std::replace(name.begin(), name.end(), '-', '_');
    objects[name] = (built.tree / built.lab.id / module).lexically_normal();
  }
  return objects;
}

/// The frames in the lab's own modules, innermost first.
std::string own_frames(const std::vector<vm::TraceFrame>& trace) {
  std::string lines;
  for (const auto& frame : trace) {
    if (!frame.location.empty()) lines += "\n  in " + frame.function + "(), " + frame.location;
  }
  return lines;
}

bool peer_is_gone(const std::system_error& error) {
  const int number = error.code().value();
  return number == EPIPE || number == ECONNRESET;
}

}  // namespace

std::string describe(vm::FaultReport fault, const BuiltLab& built) {
  vm::resolve_locations(fault.trace, objects_of(built));
  std::string text = fault.summary + own_frames(fault.trace);
  if (!fault.console_tail.empty()) {
    text += "\nThe console's last lines:\n" + last_lines(fault.console_tail, kTailLines);
  }
  return text;
}

Failure classify_current_exception(const BuiltLab& built) {
  try {
    throw;
  } catch (const CheckFailed& failed) {
    return {false, failed.what()};
  } catch (const vm::GuestFault& fault) {
    return {false, "The guest failed: " + describe(fault.report(), built)};
  } catch (const vm::GuestError& error) {
    return {false, std::string("The guest refused: ") + error.what()};
  } catch (const base::DeadlinePassed& passed) {
    return {false, std::string("The guest did not answer in time: ") + passed.what()};
  } catch (const std::system_error& error) {
    if (peer_is_gone(error)) return {false, "The machine ended in the middle of it."};
    return {true, error.what()};
  } catch (const Error& error) {
    return {true, error.what()};
  } catch (const std::exception& error) {
    return {true, std::string("The harness failed: ") + error.what()};
  }
}

}  // namespace zcl::lab
