/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Between a NIC driver and the ring module (zcl_ring.ko). The driver owns the chip: registers, its
 * descriptor rings, interrupts, the netdev. The ring module owns what the program sees: pool, ring
 * page, device node, filter. Neither knows the other's structures beyond what stands here.
 *
 * A driver embeds a struct zcl_port in its private structure, registers it after the netdev, and
 * unregisters it before. While a program has set up its ring and the mode says so, the driver fills
 * its receive ring with buffers of the pool and hands each received one over with
 * zcl_port_receive(), which answers with the buffer that takes its place.
 *
 * Locking. The driver calls zcl_port_receive() and zcl_port_sent() under its own receive and
 * transmit locks, one caller at a time for each direction. The ring module calls the operations from
 * process context with bottom halves enabled and holds no spin lock.
 */
#ifndef ZCL_PORT_H
#define ZCL_PORT_H

#include <linux/netdevice.h>
#include <linux/types.h>

#include "zcl_ring_abi.h"

struct zcl_port;
struct zcl_fragment;
struct zcl_ring;	/* private to the ring module: pool, ring page and their users */

/* No buffer: zcl_port_take() and zcl_port_receive() when there is none to give. */
#define ZCL_NO_BUFFER U32_MAX

/* What the driver offers. All may sleep unless said otherwise. */
struct zcl_port_ops {
	struct module *owner;

	/*
	 * The mode changes. When it returns, no receive descriptor that the driver fills from now on
	 * disagrees with @mode; descriptors filled before are handed over as they come: a buffer of
	 * the pool that arrives in stack mode is copied into an skb, and goes back with
	 * zcl_port_give(); a page of the stack's that arrives in ring mode is handed over with
	 * zcl_port_receive_copy(). Must not stop reception (on the e1000: no write to RCTL).
	 */
	int (*set_mode)(struct zcl_port *port, enum zcl_mode mode);

	/*
	 * The ring goes away: when it returns, the NIC has none of the pool's buffers, in either
	 * direction, and no call into the port is under way. May stop reception for a moment.
	 */
	void (*detach)(struct zcl_port *port);

	/* Takes up to @budget packets from the NIC now. Returns how many. Does not sleep. */
	int (*receive)(struct zcl_port *port, int budget);

	/*
	 * Interrupts on (@on) or off while nobody sleeps. On: returns true when packets are already
	 * waiting, so that the caller looks again instead of sleeping. Does not sleep.
	 */
	bool (*interrupts)(struct zcl_port *port, bool on);

	/*
	 * One packet of @count fragments. -ENOSPC: not now, the NIC's ring is full. Nothing leaves
	 * before transmit_done(). Does not sleep; called between transmit_begin() and
	 * transmit_done(), which lock the NIC's transmit ring, write its doorbell, and hand over
	 * what was sent (zcl_port_sent).
	 */
	void (*transmit_begin)(struct zcl_port *port);
	int (*transmit)(struct zcl_port *port, const struct zcl_fragment *fragments, unsigned int count);
	void (*transmit_done)(struct zcl_port *port);
};

/* A piece of a packet to send: a buffer of the pool. */
struct zcl_fragment {
	u32 buffer;
	u32 length;
	dma_addr_t dma;
};

struct zcl_port {
	const struct zcl_port_ops *ops;
	struct net_device *netdev;
	struct device *dma_device;	/* what the pool is mapped for */
	u32 max_packet;			/* bytes, the chip's limit */
	u32 chip_rx_slots;		/* buffers that the NIC's receive ring holds at most */
	struct zcl_ring *ring;		/* NULL: no program; changed only around detach() */
	void *node;			/* the ring module's own */
};

/* -ENOMEM, or an error of the device core. */
int zcl_port_register(struct zcl_port *port);
/* Programs see -ENODEV from now on; their mappings stay, and end with them. Calls detach(). */
void zcl_port_unregister(struct zcl_port *port);

/*
 * Receiving, in the driver's receive pass: begin, then one of the hand-overs for each descriptor
 * that is done, then end, which publishes RxQ.head once and wakes who sleeps. All are inline, in
 * ring_queue.h and zcl_port_inline.h: they run for every packet.
 *
 *	zcl_port_rx_begin(port)		reads RxQ.tail and the clock, once for the pass
 *	zcl_port_take(port)		a buffer of the pool to post, at set-up and after a change of
 *					mode; ZCL_NO_BUFFER when the NIC has all it may have
 *	zcl_port_give(port, buffer)	takes one back that was posted
 *	zcl_port_dma(port, buffer)	what the NIC calls it
 *	zcl_port_address(port, buffer)	what the kernel calls it
 *	zcl_port_wants(port, data, length)
 *					split mode: whether the filter sends it to the ring
 *	zcl_port_receive(port, buffer, length, flags, type)
 *					@buffer was received; the answer takes its place in the NIC's
 *					ring. It is @buffer itself when the packet had to be dropped
 *					(counted). A packet of several buffers: one call each, in
 *					order, with ZCL_START_OF_PACKET and ZCL_END_OF_PACKET; if one
 *					is dropped, all of the packet are.
 *	zcl_port_receive_copy(port, data, length, flags, type)
 *					the same for memory that is not the pool's (change of mode)
 *	zcl_port_rx_end(port)
 *
 * Sending: the NIC has finished with @count slots of TxBuf, the oldest first.
 *	zcl_port_sent(port, count)	between transmit_begin and _done, or under the same lock
 */

#endif
