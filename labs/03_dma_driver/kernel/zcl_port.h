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

#include "ring_queue.h"	/* ZCL_NO_BUFFER, struct zcl_fragment, ZCL_MAX_FRAGMENTS */

struct zcl_port;
struct zcl_ring;	/* private to the ring module: pool, ring page and their users */

/* What the driver offers. All may sleep unless said otherwise. */
struct zcl_port_ops {
	struct module *owner;

	/*
	 * The mode changes. When it returns, no receive descriptor that the driver fills from now on
	 * disagrees with @mode; descriptors filled before are handed over as they come: a buffer of
	 * the pool that arrives in stack mode is copied into an skb, and goes back with
	 * zcl_port_give(); a page of the stack's that arrives in ring mode is handed over with
	 * zcl_port_receive_copy(). Must not stop reception (on the e1000: no write to RCTL).
	 * Unless zcl_port_pulls() afterwards, NAPI runs as in any driver: leaves interrupts on, and
	 * looks at once for what is already there. If it does, interrupts may be on or off.
	 */
	int (*set_mode)(struct zcl_port *port, enum zcl_mode mode);

	/*
	 * The ring goes away: when it returns, the NIC has none of the pool's buffers, in either
	 * direction (each was given back or handed over), and no call into the port is under way,
	 * nor begins. May stop reception for a moment. Called in stack mode.
	 */
	void (*detach)(struct zcl_port *port);

	/*
	 * Takes up to @budget packets from the NIC now. Returns how many. Does not sleep. Only called
	 * while zcl_port_pulls().
	 */
	int (*receive)(struct zcl_port *port, int budget);

	/*
	 * Interrupts, receive and transmit, on (@on) or off while nobody sleeps. On: returns true
	 * when packets are already waiting, so that the caller looks again instead of sleeping. Does
	 * not sleep. Only called while zcl_port_pulls().
	 */
	bool (*interrupts)(struct zcl_port *port, bool on);

	/*
	 * One packet of 1 to ZCL_MAX_FRAGMENTS fragments. -ENOSPC: not now, the NIC's ring is full. Nothing leaves
	 * before transmit_done(). Does not sleep; called between transmit_begin() and
	 * transmit_done(), which lock the NIC's transmit ring, write its doorbell, and hand over
	 * what was sent (zcl_port_sent).
	 */
	void (*transmit_begin)(struct zcl_port *port);
	int (*transmit)(struct zcl_port *port, const struct zcl_fragment *fragments, unsigned int count);
	void (*transmit_done)(struct zcl_port *port);
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
 * A driver names a buffer by an opaque u32, as it was given it; ZCL_NO_BUFFER is none.
 *
 *	zcl_port_rx_begin(port)		reads RxQ.tail and the clock, once for the pass
 *	zcl_port_take(port)		a buffer of the pool to post, at set-up and after a change of
 *					mode; ZCL_NO_BUFFER when the NIC has all it may have
 *	zcl_port_give(port, buffer)	takes one back that was posted
 *	zcl_port_dma(port, buffer)	what the NIC calls it
 *	zcl_port_address(port, buffer)	what the kernel calls it
 *	zcl_port_buffer_bytes(port)	how long each buffer of the pool is
 *	zcl_port_arrived(port, buffer, length)
 *					once for each received buffer, before the processor looks at
 *					it or it is handed over: its address, DMA synced
 *	zcl_packet_type(data)		enum zcl_packet_type, by the Ethernet header
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
 * Interrupts in ring mode, unless the program asked for ZCL_INTERRUPTS_ALWAYS, do nothing but wake:
 * the woken program's own call takes the packets, through ops->receive. Neither softirq nor NAPI.
 *	zcl_port_pulls(port)		whether it is so now
 *	zcl_port_interrupt(port)	in the interrupt handler, which has masked the chip's
 *					interrupts. True: the program was woken; leave them masked
 *					until ops->interrupts or ops->set_mode. False: napi_schedule().
 *
 * Sending: the NIC has finished with @count slots of TxBuf, the oldest first.
 *	zcl_port_sent(port, count)	between transmit_begin and _done, or under the same lock
 */

#endif
