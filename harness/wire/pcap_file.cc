// SPDX-License-Identifier: MIT
#include "harness/wire/pcap_file.hh"

#include <pcap/pcap.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "harness/base/error.hh"

namespace zcl::wire {

namespace {

constexpr int kSnapshotLength = 262144;  // libpcap's own limit
constexpr std::uint64_t kNanoseconds = 1'000'000'000;

struct ClosePcap {
  void operator()(pcap_t* pcap) const { ::pcap_close(pcap); }
};
struct CloseDump {
  void operator()(pcap_dumper_t* dump) const { ::pcap_dump_close(dump); }
};

}  // namespace

struct PcapReader::Capture {
  std::string path;
  std::unique_ptr<pcap_t, ClosePcap> pcap;
};

PcapReader::PcapReader(const std::string& path) : capture_(std::make_unique<Capture>()) {
  std::array<char, PCAP_ERRBUF_SIZE> reason{};
  capture_->path = path;
  capture_->pcap.reset(::pcap_open_offline_with_tstamp_precision(
      path.c_str(), PCAP_TSTAMP_PRECISION_NANO, reason.data()));
  if (!capture_->pcap) {
    throw UsageError(path + " cannot be read as a capture file: " + reason.data());
  }
  if (::pcap_datalink(capture_->pcap.get()) != DLT_EN10MB) {
    throw UsageError(path +
                     " is a capture of something else than Ethernet; record it on an "
                     "Ethernet interface");
  }
}

PcapReader::~PcapReader() = default;

std::optional<CapturedFrame> PcapReader::next() {
  pcap_pkthdr* header = nullptr;
  const u_char* data = nullptr;
  const int result = ::pcap_next_ex(capture_->pcap.get(), &header, &data);
  if (result == PCAP_ERROR_BREAK) return std::nullopt;
  if (result != 1) {
    throw UsageError(capture_->path + " is damaged: " + ::pcap_geterr(capture_->pcap.get()));
  }
  // With nanosecond precision libpcap puts nanoseconds into tv_usec.
  const auto seconds = static_cast<std::uint64_t>(header->ts.tv_sec);
  const auto fraction = static_cast<std::uint64_t>(header->ts.tv_usec);
  return CapturedFrame{seconds * kNanoseconds + fraction, header->len,
                       Frame{base::Bytes(data, data + header->caplen)}};
}

struct PcapWriter::Dump {
  std::string path;
  std::unique_ptr<pcap_t, ClosePcap> pcap;
  std::unique_ptr<pcap_dumper_t, CloseDump> dump;
};

PcapWriter::PcapWriter(const std::string& path) : dump_(std::make_unique<Dump>()) {
  dump_->path = path;
  dump_->pcap.reset(::pcap_open_dead_with_tstamp_precision(DLT_EN10MB, kSnapshotLength,
                                                           PCAP_TSTAMP_PRECISION_NANO));
  if (!dump_->pcap) throw EnvironmentError("libpcap is out of memory");
  dump_->dump.reset(::pcap_dump_open(dump_->pcap.get(), path.c_str()));
  if (!dump_->dump) {
    throw EnvironmentError("the capture file cannot be written: " +
                           std::string(::pcap_geterr(dump_->pcap.get())));
  }
}

PcapWriter::~PcapWriter() = default;

void PcapWriter::write(std::uint64_t time_ns, base::ByteView frame) {
  pcap_pkthdr header{};
  header.ts.tv_sec = static_cast<time_t>(time_ns / kNanoseconds);
  header.ts.tv_usec = static_cast<suseconds_t>(time_ns % kNanoseconds);
  header.len = static_cast<bpf_u_int32>(frame.size());
  header.caplen = header.len;
  ::pcap_dump(reinterpret_cast<u_char*>(dump_->dump.get()), &header, frame.data());
}

void PcapWriter::flush() {
  if (::pcap_dump_flush(dump_->dump.get()) != 0 ||
      std::ferror(::pcap_dump_file(dump_->dump.get())) != 0) {
    throw EnvironmentError("the capture file " + dump_->path +
                           " cannot be written: " + std::strerror(errno));
  }
}

}  // namespace zcl::wire
