/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One program's ring: queues, pool and who waits. The ring module makes and destroys it; a driver
 * reaches it through zcl_port_inline.h only.
 */
#ifndef RING_H
#define RING_H

#include <linux/eventfd.h>
#include <linux/filter.h>
#include <linux/kref.h>
#include <linux/mutex.h>
#include <linux/rcupdate.h>
#include <linux/spinlock.h>
#include <linux/wait.h>

#include "ring_queue.h"
#include "zcl_port.h"

/*
 * Buffers for packets, in single pages: the kernel's own or the program's, pinned. The memory lives
 * until the file is closed, and a mapping keeps its file open; the DMA mappings end when the ring
 * leaves its port.
 */
struct zcl_pool {
	struct zcl_buffer *buffers;
	u32 buffer_count;
	u32 buffer_bytes;
	struct page **pages;
	dma_addr_t *page_dma;
	u32 page_count;
	u32 mapped_pages;		/* of them for DMA; 0 once detached */
	struct mm_struct *pinned_by;	/* the program's memory; NULL: the kernel's */
	bool needs_sync;		/* DMA is not coherent, or bounces */
};

/* Which packets of ZCL_MODE_SPLIT go to the ring. Replaced as a whole. */
struct zcl_filter_rule {
	enum zcl_filter_kind kind;
	__be16 value;
	struct bpf_prog *program;
};

struct zcl_ring {
	struct zcl_rx_queue rx;		/* under the driver's receive lock */
	struct zcl_tx_queue tx;		/* under the driver's transmit lock */
	bool needs_sync;
	bool pulls;			/* zcl_port_pulls() */
	bool always;			/* ZCL_INTERRUPTS_ALWAYS */
	bool armed;			/* interrupts are on for a sleeper, as far as is known */
	wait_queue_head_t wait;
	struct eventfd_ctx __rcu *event;
	struct zcl_filter_rule __rcu *filter;
	struct sk_buff *filter_packet;	/* private copy of a packet's first bytes */
	struct device *dma_device;

	/* Handles of buffers for the NIC that it has not got now. Under the driver's receive lock. */
	u32 *idle;
	u32 idle_count;

	/* The kernel as consumer of RxQ, on the program's behalf: read, ZCL_COPY, proc, MAP_PACKET. */
	spinlock_t consume_lock;
	u32 cursor;			/* next slot that it takes */
	u8 *held;			/* by slot: taken, and not returned yet */
	u32 generation;			/* ZCL_RESETs */

	void *page;			/* the ring page, vmalloc_user() */
	size_t page_bytes;
	struct zcl_pool *pool;
	u64 filtered;			/* struct zcl_stats explains these */
	u64 copied;
	u64 wakeups;
	struct kref users;		/* the file, and a reader through proc */
};

#endif
