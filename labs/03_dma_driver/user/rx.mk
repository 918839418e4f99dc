# SPDX-License-Identifier: MIT
# The programs of the receive measurements. Those that need packages which nothing else needs are
# not among the lab's PROGRAMS: `make user/rx_dpdk` builds one.
rx_sources := user/rx_traffic.cc user/rx_sender.cc $(COMMON)/user/burst_sender.cc \
  $(COMMON)/user/e1000_card.cc
package = $(subst -I,-isystem,$(shell pkg-config --cflags $(1)))

SOURCES_rx_sockets := $(rx_sources)
SOURCES_rx_bare := $(rx_sources)
SOURCES_rx_ring := $(rx_sources)
SOURCES_rx_pcap := $(rx_sources)
LIBS_rx_pcap = -lpcap
SOURCES_rx_xdp := $(rx_sources)
LIBS_rx_xdp = -lxdp -lbpf
SOURCES_rx_dpdk := $(rx_sources)
CXXFLAGS_rx_dpdk = $(call package,libdpdk)
LIBS_rx_dpdk = -Wl,--no-as-needed -lrte_net_e1000 -lrte_bus_pci -lrte_mempool_ring -lrte_ethdev -lrte_mbuf \
  -lrte_mempool -lrte_eal
