/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The driver's own types, and what its files offer each other:
 *
 *	e1000_main.c	chip, rings, interrupts, netdev
 *	e1000_filter.c	which frames the chip lets through, and its offloads
 *	e1000_stack.c	receive buffers of the network stack, and changes of mode
 *	e1000_port.c	the ring module's operations (zcl_port.h)
 *	e1000_ethtool.c	ethtool, and statistics
 */
#ifndef E1000_H
#define E1000_H

#include <linux/dma-mapping.h>
#include <linux/io.h>
#include <linux/netdevice.h>
#include <linux/pci.h>
#include <linux/skbuff.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>

#include "compat.h"
#include "compat_page_pool.h"
#include "e1000_regs.h"
#include "zcl_port_inline.h"

/*
 * What stands behind a receive descriptor: a page of the page pool, or a buffer of the program's
 * pool. A descriptor of a running ring always has one of the two, so nothing the chip may write to
 * is ever missing.
 */
struct e1000_rx_slot {
	struct page *page;	/* NULL: */
	u32 buffer;		/* the program's; ZCL_NO_BUFFER: nothing, only while the chip is stopped */
};

/*
 * The receive ring. All slots are filled; the chip owns those from its head (RDH) up to, not
 * including, its tail (RDT), and the tail is always the slot before @next:
 *
 *	    next            RDT = next - 1
 *	     v               v
 *	... [ received, then the chip's ][ kept back ] ...
 *
 * One is kept back because the chip takes head == tail for "empty": with all of them given away a
 * full ring would look the same.
 */
struct e1000_rx {
	spinlock_t lock;	/* one receive pass at a time: NAPI's or a program's */
	struct e1000_rx_desc *ring;
	struct e1000_rx_slot *slots;
	u32 next;		/* first descriptor not yet looked at */
	u32 mask;		/* descriptors - 1; a power of two */
	bool inside;		/* next is not the first of its packet */
	bool to_ring;		/* inside: the packet goes to the ring, else to the stack */
	bool dropping;		/* inside: no memory was left for it */
	struct sk_buff *skb;	/* inside, to the stack: what came so far */
	u32 buffer_bytes;	/* ZCL_BUFFER_2K or ZCL_BUFFER_4K; what RCTL says */
	unsigned int order;	/* of a page-pool page: room for headroom, buffer and skb_shared_info */
	struct page_pool *pages;
	dma_addr_t dma;
	u64 packets;
	u64 bytes;
	u64 no_memory;		/* packets dropped because nothing could take their buffer's place */
};

enum e1000_tx_kind {
	E1000_TX_CONTEXT,	/* no memory */
	E1000_TX_HEAD,		/* the skb's linear part */
	E1000_TX_PAGE,		/* one of its fragments */
	E1000_TX_POOL,		/* a buffer of the program's pool, which maps it */
};

struct e1000_tx_slot {
	struct sk_buff *skb;	/* in the packet's last slot */
	dma_addr_t dma;
	u32 length;
	u16 last;		/* in the packet's first slot: which is its last */
	u8 kind;
};

/*
 * The transmit ring, shared by the network stack and the program, under the netdev queue's lock.
 * The chip owns [clean, use) as far as the doorbell was rung. One descriptor always stays free, as
 * above: use == clean means empty.
 */
struct e1000_tx {
	struct e1000_tx_desc *ring;
	struct e1000_tx_slot *slots;
	u32 use;		/* next to fill */
	u32 clean;		/* oldest not known to be done */
	u32 rung;		/* what TDT holds */
	u32 mask;
	u32 skbs;		/* packets of the stack between clean and use */
	u32 pool;		/* the program's buffers there */
	dma_addr_t dma;
	u64 packets;
	u64 bytes;
	u64 dropped;
	u64 timeouts;
};

/* Counters of the chip; e1000_ethtool.c names them. */
enum e1000_counter {
	E1000_CRC_ERRORS,
	E1000_MISSED,		/* no descriptor was left */
	E1000_NO_BUFFER,
	E1000_LENGTH_ERRORS,
	E1000_OVERSIZE,
	E1000_UNDERSIZE,
	E1000_GOOD_RX,
	E1000_GOOD_TX,
	E1000_BROADCAST_RX,
	E1000_MULTICAST_RX,
	E1000_COLLISIONS,
	E1000_COUNTERS
};

struct e1000 {
	void __iomem *registers;
	enum zcl_mode mode;	/* written with rtnl and rx.lock held */
	bool up;		/* rings exist and the chip runs; written with rtnl and both locks held */
	struct e1000_rx rx;
	struct e1000_tx tx;
	struct zcl_port port;
	struct napi_struct napi;
	struct net_device *netdev;
	struct pci_dev *pdev;
	struct work_struct reset_work;
	u32 rctl;		/* what was last written there */
	u32 itr;		/* interrupt moderation, in 256 ns */
	u32 rx_slots;		/* of the next open */
	u32 tx_slots;
	spinlock_t counter_lock;
	u64 counters[E1000_COUNTERS];
	u32 seen[E1000_COUNTERS];	/* what the chip's counter said last, where it does not clear */
};

static inline u32 e1000_read(const struct e1000 *e, enum e1000_register reg)
{
	return readl(e->registers + reg);
}

/*
 * writel() makes everything that was stored to memory before visible to the chip first (it is a
 * wmb() and a store), so a descriptor needs no barrier of its own before the tail is written.
 */
static inline void e1000_write(struct e1000 *e, enum e1000_register reg, u32 value)
{
	writel(value, e->registers + reg);
}

static inline struct netdev_queue *e1000_queue(struct e1000 *e)
{
	return netdev_get_tx_queue(e->netdev, 0);
}

/* Descriptors that can still be filled. */
static inline u32 e1000_tx_room(const struct e1000_tx *tx)
{
	return (tx->clean - tx->use - 1) & tx->mask;
}

/* Whether the program's calls take the packets, so that interrupts only wake it. */
static inline bool e1000_pulls(struct e1000 *e)
{
	return READ_ONCE(e->mode) == ZCL_MODE_RING && zcl_port_pulls(&e->port);
}

/* ZCL_CHECKSUM_GOOD if the chip has verified TCP's or UDP's checksum, else 0. */
static inline u8 e1000_checksum_flag(u32 status)
{
	if (status & E1000_RXD_CHECKSUM_IGNORE)
		return 0;
	return status & E1000_RXD_TCP_UDP_CHECKED && !(status & E1000_RXD_CHECKSUM_BAD) ?
		       ZCL_CHECKSUM_GOOD : 0;
}

/* What a received descriptor says, and where it stands. */
struct e1000_received {
	u32 index;
	u32 length;
	u32 status;
	bool first;	/* of its packet */
};

static inline bool e1000_is_last(const struct e1000_received *received)
{
	return received->status & E1000_RXD_END_OF_PACKET;
}

/* In the ring page's terms. */
static inline u8 e1000_rx_flags(const struct e1000_received *received)
{
	return (received->first ? ZCL_START_OF_PACKET : 0) |
	       (e1000_is_last(received) ? ZCL_END_OF_PACKET : 0) |
	       e1000_checksum_flag(received->status);
}

/* e1000_main.c */
extern const char e1000_driver_name[];
/* One receive pass with rx.lock held; packets for the stack are added to @stack. */
int e1000_clean_rx(struct e1000 *e, struct sk_buff_head *stack, int budget);
/* Whether a descriptor waits for a receive pass. With rx.lock held. */
bool e1000_rx_waiting(const struct e1000 *e);
/* Frees what the chip has sent. Under the queue's lock. */
void e1000_clean_tx(struct e1000 *e, int budget);
/* Fills the next transmit descriptor; not the chip's before the doorbell. Under the queue's lock. */
struct e1000_tx_slot *e1000_tx_put(struct e1000_tx *tx, enum e1000_tx_kind kind, u64 address,
				   u32 command, u32 status);
void e1000_ring_doorbell(struct e1000 *e);
/* Lets NAPI look at both rings, and then set the interrupt mask. */
void e1000_kick(struct e1000 *e);
/* Makes the rings anew. With rtnl held. On error the old ones are back, or the interface is down. */
int e1000_reopen(struct e1000 *e, u32 rx_slots, u32 tx_slots, u32 buffer_bytes);
/* Stops the chip and takes everything back; e1000_start() begins anew. With rtnl held, and up. */
void e1000_quiesce(struct e1000 *e);
void e1000_start(struct e1000 *e);

/* The unicast address that the receiver lets through. */
void e1000_write_address(struct e1000 *e, const u8 *address);

/* e1000_filter.c */
/* Multicast table and RCTL; with e->up this switches the receiver on. Under netif_addr_lock. */
void e1000_set_rx_mode(struct net_device *netdev);
void e1000_write_rxcsum(struct e1000 *e, netdev_features_t features);
int e1000_set_mac_address(struct net_device *netdev, void *address);
int e1000_set_features(struct net_device *netdev, netdev_features_t features);
netdev_features_t e1000_features_check(struct sk_buff *skb, struct net_device *netdev,
				       netdev_features_t features);

/* e1000_stack.c */
struct page_pool *e1000_create_pages(struct e1000 *e);
/* Where in a page the chip writes, as the chip calls it. */
dma_addr_t e1000_page_dma(struct page *page);
/* An empty slot gets what the mode asks for. False: there is no memory. */
bool e1000_rx_fill(struct e1000 *e, struct e1000_rx_slot *slot, gfp_t gfp);
void e1000_rx_empty(struct e1000 *e, struct e1000_rx_slot *slot);
/* Where a packet goes, by its first buffer: true is the ring. */
bool e1000_rx_verdict(struct e1000 *e, const struct e1000_received *received);
/* One received buffer. The slot is filled afterwards, its descriptor not written. */
void e1000_rx_to_stack(struct e1000 *e, const struct e1000_received *received,
		       struct sk_buff_head *stack);
void e1000_rx_copy_to_ring(struct e1000 *e, const struct e1000_received *received);
/* Forgets the packet that is being put together. */
void e1000_rx_drop(struct e1000_rx *rx);

/* e1000_port.c */
extern const struct zcl_port_ops e1000_port_ops;

/* e1000_ethtool.c */
extern const struct ethtool_ops e1000_ethtool_ops;
void e1000_get_stats64(struct net_device *netdev, struct rtnl_link_stats64 *stats);
/* The chip's counters begin at 0 with every reset: read them before one. */
void e1000_read_counters(struct e1000 *e);

#endif
