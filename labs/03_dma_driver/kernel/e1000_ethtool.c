// SPDX-License-Identifier: GPL-2.0-only
/* ethtool (-i -S -g -G -c -C -r, link and speed), and the interface's statistics. */
#include <linux/bitfield.h>
#include <linux/ethtool.h>
#include <linux/iopoll.h>
#include <linux/mii.h>

#include "e1000.h"

/* The PHY's registers (SDM 13.4.6); with rtnl held. All ones where it does not answer. */
static u32 e1000_mdic(struct e1000 *e, u32 command)
{
	u32 mdic;

	e1000_write(e, E1000_MDIC, command | E1000_MDIC_PHY_1);
	if (read_poll_timeout(e1000_read, mdic, mdic & E1000_MDIC_READY, 50, 10000, false, e,
			      E1000_MDIC))
		return U32_MAX;
	return mdic;
}

static u16 e1000_read_phy(struct e1000 *e, unsigned int reg)
{
	u32 mdic = e1000_mdic(e, FIELD_PREP(E1000_MDIC_REGISTER, reg) | E1000_MDIC_READ);

	return mdic & E1000_MDIC_ERROR ? U16_MAX : FIELD_GET(E1000_MDIC_DATA, mdic);
}

static int e1000_write_phy(struct e1000 *e, unsigned int reg, u16 value)
{
	u32 mdic = e1000_mdic(e, FIELD_PREP(E1000_MDIC_REGISTER, reg) | E1000_MDIC_WRITE | value);

	return mdic & E1000_MDIC_ERROR ? -EIO : 0;
}

/*
 * What a counter has counted since the last call. The manual says that reading clears it (SDM 13.7);
 * QEMU 7.2 does so with some and not with others (MPC, RNBC). A second read tells which it was.
 */
static u32 e1000_count(struct e1000 *e, unsigned int offset, u32 *seen)
{
	u32 count = readl(e->registers + offset);
	u32 again = readl(e->registers + offset);

	if (count == U32_MAX)	/* the chip is gone */
		return 0;
	if (again < count) {
		*seen = 0;
		return count + again;
	}
	count = again < *seen ? again : again - *seen;
	*seen = again;
	return count;
}

void e1000_read_counters(struct e1000 *e)
{
	static const u16 offsets[E1000_COUNTERS] = {
		[E1000_CRC_ERRORS] = 0x4000,
		[E1000_MISSED] = 0x4010,
		[E1000_NO_BUFFER] = 0x40a0,
		[E1000_LENGTH_ERRORS] = 0x4040,
		[E1000_OVERSIZE] = 0x40ac,
		[E1000_UNDERSIZE] = 0x40a4,
		[E1000_GOOD_RX] = 0x4074,
		[E1000_GOOD_TX] = 0x4080,
		[E1000_BROADCAST_RX] = 0x4078,
		[E1000_MULTICAST_RX] = 0x407c,
		[E1000_COLLISIONS] = 0x4028,
	};
	unsigned int i;

	spin_lock_bh(&e->counter_lock);
	for (i = 0; i < E1000_COUNTERS; i++)
		e->counters[i] += e1000_count(e, offsets[i], &e->seen[i]);
	spin_unlock_bh(&e->counter_lock);
}

void e1000_get_stats64(struct net_device *netdev, struct rtnl_link_stats64 *stats)
{
	struct e1000 *e = netdev_priv(netdev);

	spin_lock_bh(&e->rx.lock);
	stats->rx_packets = e->rx.packets;
	stats->rx_bytes = e->rx.bytes;
	stats->rx_dropped = e->rx.no_memory;
	spin_unlock_bh(&e->rx.lock);
	__netif_tx_lock_bh(e1000_queue(e));
	stats->tx_packets = e->tx.packets;
	stats->tx_bytes = e->tx.bytes;
	stats->tx_dropped = e->tx.dropped;
	stats->tx_errors = e->tx.timeouts;
	__netif_tx_unlock_bh(e1000_queue(e));

	e1000_read_counters(e);
	spin_lock_bh(&e->counter_lock);
	stats->rx_crc_errors = e->counters[E1000_CRC_ERRORS];
	stats->rx_missed_errors = e->counters[E1000_MISSED];
	stats->rx_length_errors = e->counters[E1000_LENGTH_ERRORS];
	stats->rx_errors = stats->rx_crc_errors + stats->rx_length_errors;
	stats->multicast = e->counters[E1000_MULTICAST_RX];
	stats->collisions = e->counters[E1000_COLLISIONS];
	spin_unlock_bh(&e->counter_lock);
}


static const char e1000_stat_names[][ETH_GSTRING_LEN] = {
	"crc_errors",
	"missed",
	"no_buffer",
	"length_errors",
	"oversize",
	"undersize",
	"good_rx_frames",
	"good_tx_frames",
	"broadcast_rx_frames",
	"multicast_rx_frames",
	"collisions",
	/* not of the chip */
	"rx_packets",
	"rx_bytes",
	"rx_no_memory",
	"tx_packets",
	"tx_bytes",
	"tx_dropped",
	"tx_timeouts",
};

static int e1000_get_sset_count(struct net_device *netdev, int set)
{
	return set == ETH_SS_STATS ? ARRAY_SIZE(e1000_stat_names) : -EOPNOTSUPP;
}

static void e1000_get_strings(struct net_device *netdev, u32 set, u8 *data)
{
	if (set == ETH_SS_STATS)
		memcpy(data, e1000_stat_names, sizeof(e1000_stat_names));
}

static void e1000_get_ethtool_stats(struct net_device *netdev, struct ethtool_stats *stats,
				    u64 *data)
{
	struct e1000 *e = netdev_priv(netdev);
	u64 *own = data + E1000_COUNTERS;

	static_assert(ARRAY_SIZE(e1000_stat_names) == E1000_COUNTERS + 7);

	e1000_read_counters(e);
	spin_lock_bh(&e->counter_lock);
	memcpy(data, e->counters, sizeof(e->counters));
	spin_unlock_bh(&e->counter_lock);

	spin_lock_bh(&e->rx.lock);
	own[0] = e->rx.packets;
	own[1] = e->rx.bytes;
	own[2] = e->rx.no_memory;
	spin_unlock_bh(&e->rx.lock);
	__netif_tx_lock_bh(e1000_queue(e));
	own[3] = e->tx.packets;
	own[4] = e->tx.bytes;
	own[5] = e->tx.dropped;
	own[6] = e->tx.timeouts;
	__netif_tx_unlock_bh(e1000_queue(e));
}

static void e1000_get_drvinfo(struct net_device *netdev, struct ethtool_drvinfo *info)
{
	struct e1000 *e = netdev_priv(netdev);

	strscpy(info->driver, e1000_driver_name, sizeof(info->driver));
	strscpy(info->bus_info, pci_name(e->pdev), sizeof(info->bus_info));
}

static void e1000_get_ringparam(struct net_device *netdev, struct ethtool_ringparam *ring,
				struct kernel_ethtool_ringparam *kernel_ring,
				struct netlink_ext_ack *extack)
{
	struct e1000 *e = netdev_priv(netdev);

	ring->rx_max_pending = E1000_MAX_SLOTS;
	ring->tx_max_pending = E1000_MAX_SLOTS;
	ring->rx_pending = e->rx_slots;
	ring->tx_pending = e->tx_slots;
	kernel_ring->rx_buf_len = e->rx.buffer_bytes;
}

/* Powers of two only, so a size in between becomes the next one. */
static u32 e1000_round_slots(u32 slots)
{
	return roundup_pow_of_two(clamp(slots, E1000_MIN_SLOTS, E1000_MAX_SLOTS));
}

static int e1000_set_ringparam(struct net_device *netdev, struct ethtool_ringparam *ring,
			       struct kernel_ethtool_ringparam *kernel_ring,
			       struct netlink_ext_ack *extack)
{
	struct e1000 *e = netdev_priv(netdev);
	u32 rx_slots = e1000_round_slots(ring->rx_pending);
	u32 tx_slots = e1000_round_slots(ring->tx_pending);
	u32 bytes = kernel_ring->rx_buf_len ?: e->rx.buffer_bytes;

	if (ring->rx_mini_pending || ring->rx_jumbo_pending)
		return -EINVAL;
	if (bytes != ZCL_BUFFER_2K && bytes != ZCL_BUFFER_4K) {
		NL_SET_ERR_MSG(extack, "rx-buf-len is 2048 or 4096");
		return -EINVAL;
	}
	if (bytes != e->rx.buffer_bytes && e->mode != ZCL_MODE_STACK) {
		NL_SET_ERR_MSG(extack, "a program's pool is in use");
		return -EBUSY;
	}
	if (rx_slots == e->rx_slots && tx_slots == e->tx_slots && bytes == e->rx.buffer_bytes)
		return 0;
	return e1000_reopen(e, rx_slots, tx_slots, bytes);
}

/* Interrupt moderation: ITR counts in 256 ns and has 16 bits (SDM 13.4.18). */
#define E1000_ITR_NS 256u

static int e1000_get_coalesce(struct net_device *netdev, struct ethtool_coalesce *coalesce,
			      struct kernel_ethtool_coalesce *kernel_coalesce,
			      struct netlink_ext_ack *extack)
{
	struct e1000 *e = netdev_priv(netdev);

	coalesce->rx_coalesce_usecs = e->itr * E1000_ITR_NS / NSEC_PER_USEC;
	return 0;
}

static int e1000_set_coalesce(struct net_device *netdev, struct ethtool_coalesce *coalesce,
			      struct kernel_ethtool_coalesce *kernel_coalesce,
			      struct netlink_ext_ack *extack)
{
	struct e1000 *e = netdev_priv(netdev);

	if (coalesce->rx_coalesce_usecs > U16_MAX * E1000_ITR_NS / NSEC_PER_USEC)
		return -EINVAL;
	e->itr = DIV_ROUND_UP(coalesce->rx_coalesce_usecs * NSEC_PER_USEC, E1000_ITR_NS);
	e1000_write(e, E1000_ITR, e->itr);
	return 0;
}

/* -r: negotiates the link anew. */
static int e1000_nway_reset(struct net_device *netdev)
{
	struct e1000 *e = netdev_priv(netdev);
	u16 control;

	if (!e->up)
		return -ENETDOWN;
	control = e1000_read_phy(e, MII_BMCR);
	if (control == U16_MAX || !(control & BMCR_ANENABLE))
		return -EINVAL;
	return e1000_write_phy(e, MII_BMCR, control | BMCR_ANRESTART);
}

static int e1000_get_link_ksettings(struct net_device *netdev, struct ethtool_link_ksettings *link)
{
	static const int speeds[] = { SPEED_10, SPEED_100, SPEED_1000, SPEED_1000 };
	u32 status = e1000_read(netdev_priv(netdev), E1000_STATUS);
	bool up = netif_carrier_ok(netdev);

	ethtool_link_ksettings_zero_link_mode(link, supported);
	ethtool_link_ksettings_add_link_mode(link, supported, Autoneg);
	ethtool_link_ksettings_add_link_mode(link, supported, TP);
	ethtool_link_ksettings_add_link_mode(link, supported, 1000baseT_Full);
	ethtool_link_ksettings_add_link_mode(link, supported, 100baseT_Full);
	ethtool_link_ksettings_add_link_mode(link, supported, 10baseT_Full);
	linkmode_copy(link->link_modes.advertising, link->link_modes.supported);
	link->base.autoneg = AUTONEG_ENABLE;
	link->base.port = PORT_TP;
	link->base.speed = up ? speeds[FIELD_GET(E1000_STATUS_SPEED, status)] : SPEED_UNKNOWN;
	link->base.duplex = !up ? DUPLEX_UNKNOWN :
			    status & E1000_STATUS_FULL_DUPLEX ? DUPLEX_FULL : DUPLEX_HALF;
	return 0;
}

const struct ethtool_ops e1000_ethtool_ops = {
	.supported_coalesce_params = ETHTOOL_COALESCE_RX_USECS,
	.supported_ring_params = ETHTOOL_RING_USE_RX_BUF_LEN,
	.get_drvinfo = e1000_get_drvinfo,
	.get_link = ethtool_op_get_link,
	.get_link_ksettings = e1000_get_link_ksettings,
	.nway_reset = e1000_nway_reset,
	.get_ringparam = e1000_get_ringparam,
	.set_ringparam = e1000_set_ringparam,
	.get_coalesce = e1000_get_coalesce,
	.set_coalesce = e1000_set_coalesce,
	.get_sset_count = e1000_get_sset_count,
	.get_strings = e1000_get_strings,
	.get_ethtool_stats = e1000_get_ethtool_stats,
};
