// SPDX-License-Identifier: MIT
#include "labs/common/host/probe.hh"

#include <charconv>
#include <csignal>
#include <sstream>

namespace zcl::labs {

using namespace std::chrono_literals;

Probe::Probe(lab::Context& context, vm::Machine& machine, const std::string& program, unsigned uid)
    : process_(machine.agent().start(
          {.argv = {context.install(machine, program)}, .time_limit = 300s, .uid = uid})) {}

Answer Probe::ask(const std::string& command) {
  start(command);
  return answer(command);
}

Answer Probe::answer(const std::string& command, std::chrono::seconds limit) {
  const std::string line =
      process_.read_line(base::Deadline("the answer to \"" + command.substr(0, 40) + "\"", limit));
  Answer answer;
  if (line.starts_with("ok ")) {
    answer.ok = true;
    answer.text = line.substr(3);
  } else if (line.starts_with("err ")) {
    const auto* begin = line.data() + 4;
    const auto* end = line.data() + line.size();
    const auto* rest = std::from_chars(begin, end, answer.error).ptr;
    answer.text = rest < end ? std::string(rest + 1, end) : std::string();
  } else {
    answer.text = "unexpected: " + line.substr(0, 80);
  }
  return answer;
}

std::vector<std::string> Probe::must(const std::string& command, const std::string& what) {
  const auto answer = ask(command);
  if (!answer.ok) throw lab::CheckFailed(what + " failed: " + answer.text);
  std::istringstream stream(answer.text);
  std::vector<std::string> words;
  for (std::string word; stream >> word;) words.push_back(word);
  return words;
}

std::uint64_t Probe::number(const std::string& command, const std::string& what) {
  const auto words = must(command, what);
  std::uint64_t value = 0;
  const bool hexadecimal = !words.empty() && words[0].starts_with("0x");
  if (words.empty() ||
      std::from_chars(words[0].data() + (hexadecimal ? 2 : 0), words[0].data() + words[0].size(),
                      value, hexadecimal ? 16 : 10)
              .ec != std::errc()) {
    throw lab::CheckFailed(what + ": the answer has no number");
  }
  return value;
}

void Probe::kill() {
  process_.send_signal(SIGKILL);
  process_.wait(base::Deadline("the end of the probe", kAnswerLimit));
}

void Probe::finish() {
  process_.close_input();
  process_.wait(base::Deadline("the end of the probe", kAnswerLimit));
}

std::string to_hex(base::ByteView bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  text.reserve(2 * bytes.size());
  for (const auto byte : bytes) {
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}

std::string to_hex(std::uint64_t value) {
  char text[16];
  return "0x" + std::string(text, std::to_chars(text, text + sizeof text, value, 16).ptr);
}

}  // namespace zcl::labs
