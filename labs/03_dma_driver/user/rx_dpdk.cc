// SPDX-License-Identifier: MIT
// DPDK with its own e1000 driver, polled from the program.
#include <rte_eal.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include <array>
#include <filesystem>
#include <fstream>

#include "rx_traffic.hh"

namespace zcl::rx {
namespace {

constexpr std::uint16_t kDescriptors = 256;
constexpr std::uint16_t kBatch = 32;
constexpr unsigned kBuffers = 2047;  // a power of two less one, as the library advises
constexpr unsigned kCached = 250;

void require(const char* call, int result) {
  if (result < 0) throw std::runtime_error(std::string(call) + ": " + rte_strerror(-result));
}

/// Gives the card to the kernel's minimal driver, through which DPDK reaches its registers.
void bind_to_uio(const std::string& card) {
  const std::string address = std::filesystem::path(card).filename();
  if (std::filesystem::exists(card + "/driver")) {
    std::ofstream(card + "/driver/unbind") << address << std::flush;
  }
  std::ofstream(card + "/driver_override") << "uio_pci_generic" << std::flush;
  std::ofstream("/sys/bus/pci/drivers_probe") << address << std::flush;
  if (!std::filesystem::exists(card + "/uio")) {
    throw std::runtime_error("uio_pci_generic does not take " + address);
  }
}

class Dpdk final : public Receiver {
 public:
  explicit Dpdk(const std::string& card) {
    bind_to_uio(card);
    std::ofstream("/proc/sys/vm/nr_hugepages") << 32 << std::flush;
    std::array<std::string, 11> words = {"rx_dpdk",
                                         "--in-memory",
                                         "--no-telemetry",
                                         "--iova-mode=pa",
                                         "--log-level=error",
                                         "-l",
                                         "0",
                                         "-m",
                                         "32",
                                         "-a",
                                         std::filesystem::path(card).filename()};
    std::array<char*, words.size()> arguments{};
    for (std::size_t i = 0; i < words.size(); ++i) arguments[i] = words[i].data();
    require("rte_eal_init", rte_eal_init(static_cast<int>(words.size()), arguments.data()));
    if (rte_eth_dev_count_avail() != 1) throw std::runtime_error("DPDK finds no card");
    rte_mempool* const pool = rte_pktmbuf_pool_create("packets", kBuffers, kCached, 0,
                                                      RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
    if (pool == nullptr) require("rte_pktmbuf_pool_create", -rte_errno);
    const rte_eth_conf config{};
    require("rte_eth_dev_configure", rte_eth_dev_configure(kPort, 1, 1, &config));
    require("rte_eth_rx_queue_setup",
            rte_eth_rx_queue_setup(kPort, 0, kDescriptors, static_cast<unsigned>(SOCKET_ID_ANY),
                                   nullptr, pool));
    require("rte_eth_tx_queue_setup",
            rte_eth_tx_queue_setup(kPort, 0, kDescriptors, static_cast<unsigned>(SOCKET_ID_ANY),
                                   nullptr));
    require("rte_eth_dev_start", rte_eth_dev_start(kPort));
  }

  std::size_t receive(Account& account) override {
    std::array<rte_mbuf*, kBatch> packets;
    const std::uint16_t count = rte_eth_rx_burst(kPort, 0, packets.data(), kBatch);
    for (std::uint16_t i = 0; i < count; ++i) {
      account.take(rte_pktmbuf_mtod(packets[i], const std::uint8_t*), packets[i]->pkt_len);
      rte_pktmbuf_free(packets[i]);
    }
    return count;
  }

 private:
  static constexpr std::uint16_t kPort = 0;
};

constexpr std::array kKinds{
    ReceiverKind{"dpdk",
                 [](const std::string& card) -> std::unique_ptr<Receiver> {
                   return std::make_unique<Dpdk>(card);
                 }},
};

}  // namespace
}  // namespace zcl::rx

int main(int argc, char** argv) {
  return zcl::rx::run_receivers(argc, argv, zcl::rx::kKinds);
}
