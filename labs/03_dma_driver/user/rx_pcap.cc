// SPDX-License-Identifier: MIT
// libpcap in immediate mode: each packet is handed over as it comes.
#include <pcap/pcap.h>

#include <array>

#include "rx_interface.hh"
#include "rx_traffic.hh"

namespace zcl::rx {
namespace {

class Pcap final : public Receiver {
 public:
  explicit Pcap(const std::string& card) {
    const std::string interface = interface_of(card);
    bring_up(interface);
    char reason[PCAP_ERRBUF_SIZE] = "";
    handle_.reset(pcap_create(interface.c_str(), reason));
    if (handle_ == nullptr) throw std::runtime_error(reason);
    pcap_set_snaplen(handle_.get(), 2048);
    pcap_set_immediate_mode(handle_.get(), 1);
    if (pcap_activate(handle_.get()) < 0) fail();
  }
  std::size_t receive(Account& account) override {
    const int count = pcap_dispatch(handle_.get(), -1, take, reinterpret_cast<u_char*>(&account));
    if (count == PCAP_ERROR_BREAK) return 0;
    if (count < 0) fail();
    return static_cast<std::size_t>(count);
  }
  void interrupt() override { pcap_breakloop(handle_.get()); }

 private:
  struct Close {
    void operator()(pcap_t* handle) const { pcap_close(handle); }
  };
  static void take(u_char* account, const pcap_pkthdr* header, const u_char* frame) {
    reinterpret_cast<Account*>(account)->take(frame, header->caplen);
  }
  [[noreturn]] void fail() { throw std::runtime_error(pcap_geterr(handle_.get())); }

  std::unique_ptr<pcap_t, Close> handle_;
};

constexpr std::array kKinds{
    ReceiverKind{"libpcap",
                 [](const std::string& card) -> std::unique_ptr<Receiver> {
                   return std::make_unique<Pcap>(card);
                 }},
};

}  // namespace
}  // namespace zcl::rx

int main(int argc, char** argv) {
  return zcl::rx::run_receivers(argc, argv, zcl::rx::kKinds);
}
