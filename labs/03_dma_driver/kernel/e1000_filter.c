// SPDX-License-Identifier: GPL-2.0-only
/* Which frames the chip lets through, and what it computes of them. */
#include <linux/etherdevice.h>
#include <linux/if_vlan.h>

#include "e1000.h"

/*
 * What RCTL has to say. Long packets are always let through: buffers chain up to the chip's limit, and
 * the MTU is a limit of ours for sending. So the MTU never changes RCTL, and reception goes on.
 */
static void e1000_update_rctl(struct e1000 *e)
{
	u32 rctl = E1000_RCTL_ENABLE | E1000_RCTL_BROADCAST | E1000_RCTL_LONG_PACKETS |
		   E1000_RCTL_STRIP_CRC;

	rctl |= e->rx.buffer_bytes == ZCL_BUFFER_4K ? E1000_RCTL_BUFFER_4K : E1000_RCTL_BUFFER_2K;
	if (e->netdev->flags & IFF_PROMISC)
		rctl |= E1000_RCTL_UNICAST_ALL | E1000_RCTL_MULTICAST_ALL;
	if (e->netdev->flags & IFF_ALLMULTI)
		rctl |= E1000_RCTL_MULTICAST_ALL;
	if (rctl == e->rctl)
		return;
	e->rctl = rctl;
	e1000_write(e, E1000_RCTL, rctl);
}

/* Which multicast frames come through: a table of 4096 bits, addressed by 12 of theirs (SDM 13.5.1). */
void e1000_set_rx_mode(struct net_device *netdev)
{
	struct e1000 *e = netdev_priv(netdev);
	u32 table[E1000_MTA_WORDS] = {};
	struct netdev_hw_addr *address;
	unsigned int i;

	netdev_for_each_mc_addr(address, netdev) {
		u32 hash = (address->addr[4] >> 4 | address->addr[5] << 4) & 0xfff;

		table[hash / 32] |= BIT(hash % 32);
	}
	for (i = 0; i < E1000_MTA_WORDS; i++)
		writel(table[i], e->registers + E1000_MTA + 4 * i);
	if (e->up)
		e1000_update_rctl(e);
}

void e1000_write_rxcsum(struct e1000 *e, netdev_features_t features)
{
	bool on = features & NETIF_F_RXCSUM;

	e1000_write(e, E1000_RXCSUM, on ? E1000_RXCSUM_TCP_UDP | E1000_RXCSUM_IP : 0);
}

int e1000_set_mac_address(struct net_device *netdev, void *address)
{
	int err = eth_mac_addr(netdev, address);

	if (!err)
		e1000_write_address(netdev_priv(netdev), netdev->dev_addr);
	return err;
}

int e1000_set_features(struct net_device *netdev, netdev_features_t features)
{
	e1000_write_rxcsum(netdev_priv(netdev), features);
	return 0;
}

/* The chip sums from one byte, and stores at one: both offsets have 8 bits (SDM 3.3.6). */
netdev_features_t e1000_features_check(struct sk_buff *skb, struct net_device *netdev,
				       netdev_features_t features)
{
	if (skb->ip_summed == CHECKSUM_PARTIAL &&
	    skb_checksum_start_offset(skb) + skb->csum_offset > U8_MAX)
		features &= ~NETIF_F_HW_CSUM;
	return vlan_features_check(skb, features);
}

