// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the program's calls make the driver do: take packets from the NIC, send, and interrupt when
 * there is something to wake up for. Everything here runs under node->lock.
 */
#include <linux/module.h>

#include "zcl_port_inline.h"
#include "ring_internal.h"

/* The NIC's interrupt may come between the two looks that arming takes, but not again and again. */
#define ZCL_ARM_TRIES 3

void zcl_ring_wake(struct zcl_ring *ring)
{
	struct eventfd_ctx *event;

	if (wq_has_sleeper(&ring->wait)) {
		ring->wakeups++;
		wake_up_interruptible_poll(&ring->wait, EPOLLIN | EPOLLRDNORM | EPOLLOUT | EPOLLWRNORM);
	}
	rcu_read_lock();
	event = rcu_dereference(ring->event);
	if (event)
		zcl_eventfd_signal(event);
	rcu_read_unlock();
}
EXPORT_SYMBOL_GPL(zcl_ring_wake);

/* Slots of RxBuf that hold packets, in the program's own account; 0 when that makes no sense. */
static u32 zcl_ring_waiting(const struct zcl_ring *ring)
{
	u32 waiting = READ_ONCE(ring->rx.published) - READ_ONCE(ring->rx.queue->tail);

	return waiting <= ring->rx.mask + 1 ? waiting : 0;
}

/* No more than RxBuf has room for: the rest is safer in the NIC. */
static int zcl_ring_pull(struct zcl_port *port, struct zcl_ring *ring)
{
	u32 room = ring->rx.mask + 1 - zcl_ring_waiting(ring);

	return room ? port->ops->receive(port, (int)room) : 0;
}

static void zcl_ring_disarm(struct zcl_port *port, struct zcl_ring *ring)
{
	if (!READ_ONCE(ring->armed))
		return;
	WRITE_ONCE(ring->armed, false);
	port->ops->interrupts(port, false);
}

/* Returns the number of packets that came before the interrupts were on. */
static int zcl_ring_arm(struct zcl_port *port, struct zcl_ring *ring)
{
	/* ZCL-BEGIN poll: interrupts on, and no packet lost between two looks
	 * A packet may come after the last look at the NIC and before its interrupt is on: then no
	 * interrupt comes for it. So switch on first (ops->interrupts(port, true); ring->armed before
	 * that, since the interrupt may come at once), and look again if it says that packets are
	 * waiting: zcl_ring_pull(). If that takes some, nobody sleeps: zcl_ring_disarm(), return how
	 * many. ZCL_ARM_TRIES times at most.
	 * > return 0;
	 */
	int tries, taken;

	for (tries = 0; tries < ZCL_ARM_TRIES; tries++) {
		WRITE_ONCE(ring->armed, true);
		if (!port->ops->interrupts(port, true))
			return 0;
		taken = zcl_ring_pull(port, ring);
		if (taken) {
			zcl_ring_disarm(port, ring);
			return taken;
		}
	}
	return 0;
	/* ZCL-END poll */
}

/* Everything whole in TxBuf that the NIC has room for. */
static void zcl_ring_send(struct zcl_port *port, struct zcl_ring *ring)
{
	struct zcl_fragment fragments[ZCL_MAX_FRAGMENTS];
	struct zcl_tx_queue *tx = &ring->tx;
	int count, i, err;

	port->ops->transmit_begin(port);
	zcl_txq_look(tx);
	while ((count = zcl_txq_take(tx, fragments))) {
		if (count < 0)
			continue;
		for (i = 0; ring->needs_sync && i < count; i++)
			dma_sync_single_for_device(ring->dma_device, fragments[i].dma,
						   fragments[i].length, DMA_BIDIRECTIONAL);
		err = port->ops->transmit(port, fragments, count);
		if (!err) {
			zcl_txq_commit(tx, fragments, count);
			continue;
		}
		zcl_txq_cancel(tx, fragments, count);
		if (err == -ENOSPC || err == -ENETDOWN)
			break;
		zcl_txq_refuse(tx, count);
	}
	/* Refused slots go back even if nothing else is on its way. */
	if (zcl_txq_return(tx, 0))
		zcl_port_notify(ring);
	port->ops->transmit_done(port);
}

/* Has the program a slot of TxBuf to fill, as far as the last look told? */
static bool zcl_ring_can_send(const struct zcl_ring *ring)
{
	return READ_ONCE(ring->tx.head) - READ_ONCE(ring->tx.tail) <= ring->tx.mask;
}

int zcl_ring_sync(struct zcl_node *node, struct zcl_ring *ring, unsigned int what)
{
	struct zcl_port *port = node->port;
	int taken = 0;

	if (what & ZCL_SYNC_TX)
		zcl_ring_send(port, ring);
	if (!(what & ZCL_SYNC_RX) || !ring->pulls)
		return 0;
	taken = zcl_ring_pull(port, ring);
	if (taken)
		zcl_ring_disarm(port, ring);
	else if (!(what & ZCL_SYNC_BUSY) && !zcl_ring_waiting(ring))
		taken = zcl_ring_arm(port, ring);
	return taken;
}

/* Which of @wanted holds now, after a look at the NIC if that is needed. */
__poll_t zcl_ring_ready(struct zcl_node *node, struct zcl_ring *ring, __poll_t wanted)
{
	/* ZCL-BEGIN poll: what there is for the program
	 * No port any more (node->port): EPOLLHUP and EPOLLERR. EPOLLOUT wanted: zcl_ring_send(), then
	 * zcl_ring_can_send() answers. EPOLLIN wanted: zcl_ring_waiting() answers; only when nothing
	 * is waiting, look at the NIC first (zcl_ring_pull(), if ring->pulls). Interrupts that are
	 * still on from an earlier call go off when there is a packet: zcl_ring_disarm().
	 * > (void)zcl_ring_can_send;
	 * > return EPOLLERR;
	 */
	struct zcl_port *port = node->port;
	__poll_t ready = 0;

	if (!port)
		return EPOLLHUP | EPOLLERR;
	if (wanted & EPOLLOUT) {
		zcl_ring_send(port, ring);
		if (zcl_ring_can_send(ring))
			ready |= EPOLLOUT | EPOLLWRNORM;
	}
	if (wanted & EPOLLIN) {
		if (zcl_ring_waiting(ring) || (ring->pulls && zcl_ring_pull(port, ring)))
			ready |= EPOLLIN | EPOLLRDNORM;
	}
	if ((ready & EPOLLIN) && ring->pulls)
		zcl_ring_disarm(port, ring);
	return ready;
	/* ZCL-END poll */
}

/* The same for somebody who goes to sleep if there is nothing, and is on ring->wait already. */
__poll_t zcl_ring_ready_or_armed(struct zcl_node *node, struct zcl_ring *ring, __poll_t wanted)
{
	__poll_t ready = zcl_ring_ready(node, ring, wanted);

	if (!ready && ring->pulls && zcl_ring_arm(node->port, ring))
		ready = zcl_ring_ready(node, ring, wanted);
	return ready;
}

__poll_t zcl_poll(struct file *file, struct poll_table_struct *table)
{
	/* ZCL-BEGIN poll: poll, select and epoll
	 * Before ZCL_SETUP (no file->ring, read with acquire): EPOLLERR. zcl_ring_ready() says what
	 * there is (under node->lock; poll_requested_events() tells what the caller wants).
	 * poll_wait() on ring->wait joins the queue of those who are woken: always, since epoll joins
	 * only once. What comes after the look and before that wakes nobody: so if there was nothing,
	 * look again, now with zcl_ring_ready_or_armed().
	 * > return EPOLLERR;
	 */
	struct zcl_file *zcl_file = file->private_data;
	struct zcl_ring *ring = smp_load_acquire(&zcl_file->ring);
	struct zcl_node *node = zcl_file->node;
	__poll_t wanted = poll_requested_events(table), ready;

	if (!ring)
		return EPOLLERR;
	/* First without joining: a pass that finds packets then has nobody to wake. */
	mutex_lock(&node->lock);
	ready = zcl_ring_ready(node, ring, wanted);
	mutex_unlock(&node->lock);
	poll_wait(file, &ring->wait, table);
	if (!ready) {
		mutex_lock(&node->lock);
		ready = zcl_ring_ready_or_armed(node, ring, wanted);
		mutex_unlock(&node->lock);
	}
	return ready;
	/* ZCL-END poll */
}
