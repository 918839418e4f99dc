// SPDX-License-Identifier: GPL-2.0-only
/* A ring's life: made by ZCL_SETUP, attached to its port, changed of mode, detached, freed. */
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "zcl_port_inline.h"
#include "ring_internal.h"

static u32 zcl_setup_slots(const struct zcl_setup *setup)
{
	return setup->rx_slots + setup->tx_slots;
}

/* One for each slot, the spare ones, and as many as the NIC can hold. */
u32 zcl_setup_buffers(const struct zcl_port *port, const struct zcl_setup *setup)
{
	return zcl_setup_slots(setup) + setup->spares + port->chip_rx_slots;
}

size_t zcl_setup_page_bytes(const struct zcl_setup *setup)
{
	return PAGE_ALIGN(sizeof(struct zcl_ring_page) +
			  zcl_setup_slots(setup) * sizeof(struct zcl_descriptor));
}

/* The header is for the program; nobody here reads it again. */
static void zcl_ring_write_header(const struct zcl_ring *ring, const struct zcl_setup *setup)
{
	struct zcl_ring_page *page = ring->page;

	page->magic = ZCL_RING_MAGIC;
	page->version = ZCL_RING_VERSION;
	page->rx_slots = setup->rx_slots;
	page->tx_slots = setup->tx_slots;
	page->rxbuf_offset = sizeof(*page);
	page->txbuf_offset = sizeof(*page) + setup->rx_slots * sizeof(struct zcl_descriptor);
	page->buffers = ring->pool->buffer_count;
	page->buffer_bytes = ring->pool->buffer_bytes;
	page->first_spare = zcl_setup_slots(setup);
	page->spares = setup->spares;
}

/*
 * Every queue empty, every buffer where it belongs at set-up: the first ones in RxBuf's slots, then
 * TxBuf's, then the program's spare ones, the last @idle for the NIC. Nothing else may run.
 */
static void zcl_ring_deal(struct zcl_ring *ring, u32 idle)
{
	struct zcl_rx_queue *rx = &ring->rx;
	struct zcl_tx_queue *tx = &ring->tx;
	u32 rx_slots = rx->mask + 1, tx_slots = tx->mask + 1, count = ring->pool->buffer_count, i;

	memset(rx->queue, 0, sizeof(*rx->queue));
	memset(tx->queue, 0, sizeof(*tx->queue));
	memset(rx->slots, 0, rx_slots * sizeof(*rx->slots));
	memset(tx->slots, 0, tx_slots * sizeof(*tx->slots));
	for (i = 0; i < rx_slots; i++)
		rx->slots[i].buffer = i;
	for (i = 0; i < tx_slots; i++)
		tx->slots[i].buffer = rx_slots + i;
	for (i = 0; i < count; i++) {
		rx->buffers[i].taken.by.receiving = i >= count - idle;
		rx->buffers[i].taken.by.sending = 0;
	}
	for (i = 0; i < idle; i++)
		ring->idle[i] = zcl_buffer_handle(count - 1 - i);
	ring->idle_count = idle;
	rx->packet = 0;
	rx->next = 0;
	rx->tail = 0;
	rx->limit = rx_slots;
	rx->published = 0;
	rx->open = false;
	tx->head = 0;
	tx->next = 0;
	tx->tail = 0;
	ring->cursor = 0;
	memset(ring->held, 0, rx_slots);
}

static void zcl_ring_init_queues(struct zcl_ring *ring, const struct zcl_setup *setup,
				 u32 max_packet)
{
	struct zcl_ring_page *page = ring->page;
	struct zcl_rx_queue *rx = &ring->rx;
	struct zcl_tx_queue *tx = &ring->tx;

	rx->queue = &page->rxq;
	rx->slots = (struct zcl_descriptor *)(page + 1);
	rx->mask = setup->rx_slots - 1;
	rx->buffers = ring->pool->buffers;
	rx->buffer_count = ring->pool->buffer_count;
	tx->queue = &page->txq;
	tx->slots = rx->slots + setup->rx_slots;
	tx->mask = setup->tx_slots - 1;
	tx->buffers = rx->buffers;
	tx->buffer_count = rx->buffer_count;
	tx->buffer_bytes = ring->pool->buffer_bytes;
	tx->max_packet = max_packet;
}

static void zcl_ring_free_parts(struct zcl_ring *ring)
{
	kfree_skb(ring->filter_packet);
	kvfree(ring->held);
	kvfree(ring->idle);
	kvfree(ring->tx.sent);
	vfree(ring->page);
	kfree(ring);
}

struct zcl_ring *zcl_ring_create(const struct zcl_port *port, struct zcl_pool *pool,
				 const struct zcl_setup *setup)
{
	u32 idle = port->chip_rx_slots;
	struct zcl_ring *ring = kzalloc(sizeof(*ring), GFP_KERNEL);

	if (!ring)
		return ERR_PTR(-ENOMEM);
	ring->page_bytes = zcl_setup_page_bytes(setup);
	ring->page = vmalloc_user(ring->page_bytes);
	ring->tx.sent = kvcalloc(setup->tx_slots, sizeof(u32), GFP_KERNEL);
	ring->idle = kvcalloc(idle, sizeof(u32), GFP_KERNEL);
	ring->held = kvcalloc(setup->rx_slots, sizeof(u8), GFP_KERNEL);
	ring->filter_packet = alloc_skb(ZCL_FILTER_BYTES, GFP_KERNEL);
	if (!ring->page || !ring->tx.sent || !ring->idle || !ring->held || !ring->filter_packet) {
		zcl_ring_free_parts(ring);
		return ERR_PTR(-ENOMEM);
	}
	kref_init(&ring->users);
	init_waitqueue_head(&ring->wait);
	spin_lock_init(&ring->consume_lock);
	ring->always = setup->interrupts == ZCL_INTERRUPTS_ALWAYS;
	ring->pool = pool;
	zcl_ring_init_queues(ring, setup, port->max_packet);
	zcl_ring_write_header(ring, setup);
	zcl_ring_deal(ring, idle);
	return ring;
}

static void zcl_ring_release_last(struct kref *users)
{
	struct zcl_ring *ring = container_of(users, struct zcl_ring, users);
	struct eventfd_ctx *event = rcu_dereference_protected(ring->event, true);

	if (event)
		eventfd_ctx_put(event);
	zcl_filter_destroy(rcu_dereference_protected(ring->filter, true));
	zcl_pool_destroy(ring->pool);
	zcl_ring_free_parts(ring);
}

/* Only for a ring that is attached to no port. */
void zcl_ring_put(struct zcl_ring *ring)
{
	kref_put(&ring->users, zcl_ring_release_last);
}

int zcl_ring_attach(struct zcl_node *node, struct zcl_file *file, struct zcl_ring *ring)
{
	struct zcl_port *port = node->port;
	int err;

	if (!port)
		return -ENODEV;
	if (file->ring)
		return -EINVAL;
	if (node->owner)
		return -EBUSY;
	err = zcl_pool_map(ring->pool, port->dma_device);
	if (err)
		return err;
	ring->dma_device = port->dma_device;
	ring->needs_sync = ring->pool->needs_sync;
	node->owner = file;
	smp_store_release(&port->ring, ring);
	smp_store_release(&file->ring, ring);
	return 0;
}

int zcl_ring_set_mode(struct zcl_node *node, enum zcl_mode mode)
{
	struct zcl_ring *ring = node->port->ring;
	bool pulled = ring->pulls;
	int err;

	if (mode == node->mode)
		return 0;
	/* First, since the driver asks for it. */
	WRITE_ONCE(ring->pulls, mode == ZCL_MODE_RING && !ring->always);
	err = node->port->ops->set_mode(node->port, mode);
	if (err) {
		WRITE_ONCE(ring->pulls, pulled);
		return err;
	}
	node->mode = mode;
	return 0;
}

/* The NIC lets go of the pool; afterwards nothing of the driver's touches the ring. */
static void zcl_ring_quiesce(struct zcl_node *node)
{
	int err = zcl_ring_set_mode(node, ZCL_MODE_STACK);

	if (err)
		netdev_err(node->port->netdev, "back to stack mode: error %d\n", err);
	node->port->ops->detach(node->port);
}

void zcl_ring_detach(struct zcl_node *node)
{
	struct zcl_port *port = node->port;
	struct zcl_ring *ring = port->ring;

	zcl_ring_quiesce(node);
	WRITE_ONCE(port->ring, NULL);
	/* An interrupt handler may just have asked zcl_port_pulls(). */
	synchronize_rcu();
	zcl_pool_unmap(ring->pool, ring->dma_device);
	node->owner = NULL;
	wake_up_poll(&ring->wait, EPOLLHUP);
}

int zcl_ring_reset(struct zcl_node *node)
{
	struct zcl_ring *ring = node->port->ring;
	enum zcl_mode mode = node->mode;

	zcl_ring_quiesce(node);
	synchronize_rcu();
	spin_lock(&ring->consume_lock);
	ring->generation++;
	zcl_ring_deal(ring, node->port->chip_rx_slots);
	spin_unlock(&ring->consume_lock);
	return zcl_ring_set_mode(node, mode);
}
