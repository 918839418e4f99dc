// SPDX-License-Identifier: GPL-2.0-only
/* What the ring module asks of the driver (zcl_port.h). */
#include <linux/rtnetlink.h>

#include "e1000.h"

static struct e1000 *e1000_of(struct zcl_port *port)
{
	return container_of(port, struct e1000, port);
}

/*
 * From now on, received descriptors are refilled with what the new mode wants; those posted before
 * are handed over as they come. The chip notices nothing. Only a pool whose buffers have another size
 * than the chip was told needs new rings (and on QEMU a second, since RCTL is written):
 * `ethtool -G ethX rx-buf-len 4096` beforehand avoids that.
 */
static int e1000_port_set_mode(struct zcl_port *port, enum zcl_mode mode)
{
	struct e1000 *e = e1000_of(port);
	int err = 0;

	rtnl_lock();
	if (mode != ZCL_MODE_STACK && zcl_port_buffer_bytes(port) != e->rx.buffer_bytes)
		err = e1000_reopen(e, e->rx_slots, e->tx_slots, zcl_port_buffer_bytes(port));
	if (!err) {
		spin_lock_bh(&e->rx.lock);
		WRITE_ONCE(e->mode, mode);
		spin_unlock_bh(&e->rx.lock);
		if (e->up)
			e1000_kick(e);	/* packets that nobody has looked at, and interrupts */
	}
	rtnl_unlock();
	return err;
}

static bool e1000_has_pool_buffers(const struct e1000 *e)
{
	u32 i;

	for (i = 0; i <= e->rx.mask; i++) {
		if (!e->rx.slots[i].page)
			return true;
	}
	return e->tx.pool;
}

/*
 * With the chip stopped, since it may have fetched descriptors ahead of what it has received (up to
 * 64 of them, SDM 3.2.4): taking a buffer back behind its back would let it write there later.
 */
static int e1000_give_back_pool(struct e1000 *e)
{
	u32 i;
	int err = 0;

	e1000_quiesce(e);
	for (i = 0; i <= e->rx.mask; i++) {
		struct e1000_rx_slot *slot = &e->rx.slots[i];

		if (slot->page)
			continue;
		e1000_rx_empty(e, slot);
		if (!e1000_rx_fill(e, slot, GFP_KERNEL))
			err = -ENOMEM;
	}
	e1000_start(e);
	return err;
}

static void e1000_port_detach(struct zcl_port *port)
{
	struct e1000 *e = e1000_of(port);

	rtnl_lock();
	if (e->up) {
		/* Nobody calls into the port any more, since the mode is the stack's. */
		napi_disable(&e->napi);
		synchronize_irq(e->pdev->irq);
		spin_lock_bh(&e->rx.lock);
		if (e->rx.to_ring) {	/* a packet that the mode changed in: the rest goes, too */
			e->rx.to_ring = false;
			e->rx.dropping = true;
		}
		spin_unlock_bh(&e->rx.lock);
		__netif_tx_lock_bh(e1000_queue(e));
		e1000_clean_tx(e, 0);
		__netif_tx_unlock_bh(e1000_queue(e));
		napi_enable(&e->napi);
		if (e1000_has_pool_buffers(e) && e1000_give_back_pool(e)) {
			netdev_err(e->netdev, "no memory for its receive ring: it goes down\n");
			dev_close(e->netdev);
		} else {
			e1000_kick(e);
		}
	}
	rtnl_unlock();
}

/* Packets in one pass: the chip gets its descriptors back, and the program sees them, in between. */
#define E1000_PASS 64

/*
 * In the context of the program's call. What a packet that the mode changed in still owes to the
 * network stack goes there, too.
 */
static int e1000_port_receive(struct zcl_port *port, int budget)
{
	struct e1000 *e = e1000_of(port);
	struct sk_buff_head stack;
	int packets = 0, pass, more;

	__skb_queue_head_init(&stack);
	spin_lock_bh(&e->rx.lock);
	do {
		pass = min(budget - packets, E1000_PASS);
		more = likely(e->up) ? e1000_clean_rx(e, &stack, pass) : 0;
		packets += more;
	} while (more == E1000_PASS && packets < budget);
	spin_unlock_bh(&e->rx.lock);
	while (unlikely(!skb_queue_empty(&stack)))
		netif_rx(__skb_dequeue(&stack));
	return packets;
}

/*
 * Switches on first and looks then. A packet that came before is seen by the look, one that comes
 * after raises an interrupt; in the other order one between the two would be neither. (Its cause is
 * not sure to wait in ICR: the handler may have read that for another reason.)
 */
static bool e1000_port_interrupts(struct zcl_port *port, bool on)
{
	struct e1000 *e = e1000_of(port);
	bool waiting = false;

	spin_lock_bh(&e->rx.lock);
	if (e->up && on) {
		e1000_write(e, E1000_IMS, E1000_INT_RX_ANY | E1000_INT_TX_DONE);
		waiting = e1000_rx_waiting(e);
	} else if (e->up) {
		/* Transmit interrupts stay: the stack may be waiting for one. */
		e1000_write(e, E1000_IMC, E1000_INT_RX_ANY);
	}
	spin_unlock_bh(&e->rx.lock);
	return waiting;
}

static void e1000_port_transmit_begin(struct zcl_port *port)
	__acquires(transmit)
{
	struct e1000 *e = e1000_of(port);

	__netif_tx_lock_bh(e1000_queue(e));
	if (e->up)
		e1000_clean_tx(e, 0);
}

static int e1000_port_transmit(struct zcl_port *port, const struct zcl_fragment *fragments,
			       unsigned int count)
{
	/* ZCL-BEGIN transmit: a packet out of the pool
	 * -ENETDOWN unless e->up, -ENOSPC when fewer than count descriptors are free. Legacy
	 * descriptors, kind E1000_TX_POOL: the ring module has mapped the fragments and says where
	 * (fragments[i].dma). The last one ends the packet and asks for a report; slots[first].last
	 * names it, as in e1000_tx_skb(). Count e->tx.pool (fragments), packets and bytes.
	 * > return -ENETDOWN;
	 */
	struct e1000 *e = e1000_of(port);
	struct e1000_tx *tx = &e->tx;
	const u32 first = tx->use;
	unsigned int i;

	if (!e->up)
		return -ENETDOWN;
	if (e1000_tx_room(tx) < count)
		return -ENOSPC;
	for (i = 0; i < count; i++) {
		u32 command = E1000_TXD_INSERT_CRC | fragments[i].length;

		if (i == count - 1)
			command |= E1000_TXD_END_OF_PACKET | E1000_TXD_REPORT;
		e1000_tx_put(tx, E1000_TX_POOL, fragments[i].dma, command, 0);
		tx->bytes += fragments[i].length;
	}
	tx->slots[first].last = (tx->use - 1) & tx->mask;
	tx->pool += count;
	tx->packets++;
	return 0;
	/* ZCL-END transmit */
}

static void e1000_port_transmit_done(struct zcl_port *port)
	__releases(transmit)
{
	struct e1000 *e = e1000_of(port);

	if (e->up) {
		e1000_ring_doorbell(e);
		e1000_clean_tx(e, 0);	/* a fast wire has sent some already */
	}
	__netif_tx_unlock_bh(e1000_queue(e));
}

const struct zcl_port_ops e1000_port_ops = {
	.owner = THIS_MODULE,
	.set_mode = e1000_port_set_mode,
	.detach = e1000_port_detach,
	.receive = e1000_port_receive,
	.interrupts = e1000_port_interrupts,
	.transmit_begin = e1000_port_transmit_begin,
	.transmit = e1000_port_transmit,
	.transmit_done = e1000_port_transmit_done,
};
