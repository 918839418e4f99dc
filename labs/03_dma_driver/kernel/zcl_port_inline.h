/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a driver calls for every packet; zcl_port.h lists and explains it. Inline, because a call
 * through a table for each packet is what the lab wants to be rid of.
 */
#ifndef ZCL_PORT_INLINE_H
#define ZCL_PORT_INLINE_H

#include <linux/dma-mapping.h>
#include <linux/if_ether.h>
#include <linux/timekeeping.h>

#include "ring.h"

/* What stands behind them, for the rarer cases; in zcl_ring.ko. */
void zcl_ring_wake(struct zcl_ring *ring);
bool zcl_ring_filter(struct zcl_ring *ring, const void *data, u32 length);
void zcl_ring_receive_copy(struct zcl_ring *ring, const void *data, u32 length, u8 flags, u8 type);

static inline dma_addr_t zcl_port_dma(const struct zcl_port *port, u32 buffer)
{
	return zcl_buffer_at(port->ring->rx.buffers, buffer)->dma;
}

static inline void *zcl_port_address(const struct zcl_port *port, u32 buffer)
{
	return zcl_buffer_at(port->ring->rx.buffers, buffer)->address;
}

static inline u32 zcl_port_buffer_bytes(const struct zcl_port *port)
{
	return port->ring->pool->buffer_bytes;
}

static inline bool zcl_port_pulls(const struct zcl_port *port)
{
	const struct zcl_ring *ring = READ_ONCE(port->ring);

	return ring && READ_ONCE(ring->pulls);
}

static inline void zcl_port_rx_begin(struct zcl_port *port)
{
	struct zcl_ring *ring = port->ring;

	zcl_rxq_look(&ring->rx);
	ring->rx.now = ktime_get_mono_fast_ns();
}

/* Wakes who sleeps. The barrier in wq_has_sleeper() is the waker's half of wait_woken()'s rule. */
static inline void zcl_port_notify(struct zcl_ring *ring)
{
	if (wq_has_sleeper(&ring->wait) || rcu_access_pointer(ring->event))
		zcl_ring_wake(ring);
}

static inline void zcl_port_rx_end(struct zcl_port *port)
{
	struct zcl_ring *ring = port->ring;

	if (zcl_rxq_publish(&ring->rx))
		zcl_port_notify(ring);
}

static inline void zcl_port_for_device(struct zcl_ring *ring, u32 buffer)
{
	dma_sync_single_for_device(ring->dma_device, zcl_buffer_at(ring->rx.buffers, buffer)->dma,
				   ring->pool->buffer_bytes, DMA_BIDIRECTIONAL);
}

static inline u32 zcl_port_take(struct zcl_port *port)
{
	struct zcl_ring *ring = port->ring;
	u32 buffer;

	if (!ring->idle_count)
		return ZCL_NO_BUFFER;
	buffer = ring->idle[--ring->idle_count];
	if (ring->needs_sync)
		zcl_port_for_device(ring, buffer);
	return buffer;
}

static inline void zcl_port_give(struct zcl_port *port, u32 buffer)
{
	struct zcl_ring *ring = port->ring;

	ring->idle[ring->idle_count++] = buffer;
}

static inline void *zcl_port_arrived(struct zcl_port *port, u32 buffer, u32 length)
{
	struct zcl_ring *ring = port->ring;
	const struct zcl_buffer *arrived = zcl_buffer_at(ring->rx.buffers, buffer);

	if (unlikely(ring->needs_sync))
		dma_sync_single_for_cpu(ring->dma_device, arrived->dma, length, DMA_BIDIRECTIONAL);
	return arrived->address;
}

/* One look at two bytes that the program may be changing: a hint, never a decision. */
static inline u8 zcl_packet_type(const void *packet)
{
	__be16 protocol = READ_ONCE(((const struct ethhdr *)packet)->h_proto);

	if (likely(protocol == htons(ETH_P_IP)))
		return ZCL_PACKET_IPV4;
	if (protocol == htons(ETH_P_IPV6))
		return ZCL_PACKET_IPV6;
	return protocol == htons(ETH_P_ARP) ? ZCL_PACKET_ARP : ZCL_PACKET_OTHER;
}

static inline bool zcl_port_wants(struct zcl_port *port, const void *data, u32 length)
{
	return zcl_ring_filter(port->ring, data, length);
}

static inline u32 zcl_port_receive(struct zcl_port *port, u32 buffer, u32 length, u8 flags, u8 type)
{
	struct zcl_ring *ring = port->ring;
	u32 spare = zcl_rxq_put(&ring->rx, buffer, length, flags, type);

	if (unlikely(ring->needs_sync))
		zcl_port_for_device(ring, spare);
	return spare;
}

static inline void zcl_port_receive_copy(struct zcl_port *port, const void *data, u32 length,
					 u8 flags, u8 type)
{
	zcl_ring_receive_copy(port->ring, data, length, flags, type);
}

static inline void zcl_port_sent(struct zcl_port *port, u32 count)
{
	struct zcl_ring *ring = port->ring;

	if (zcl_txq_return(&ring->tx, count))
		zcl_port_notify(ring);
}

static inline bool zcl_port_interrupt(struct zcl_port *port)
{
	if (!zcl_port_pulls(port))
		return false;
	WRITE_ONCE(port->ring->armed, false);
	zcl_port_notify(port->ring);
	return true;
}

#endif
