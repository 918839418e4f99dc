/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NF_KERNEL_RING_H
#define NF_KERNEL_RING_H

#include <linux/types.h>

#include "buffer.h"
#include "nf_ring.h"

/* The writer's side of the corrected ring. What the reader can write to is never taken from here. */
struct nf_ring {
	struct nf_buffer *buffer;
	struct nf_ring_header *header;	/* in block 0, shared */
	u64 head;			/* number of the next record; header->head is a copy */
	u64 slots;
	u64 dropped;
};

/* Lays an empty ring over @buffer. -EINVAL where not even one slot fits. */
int nf_ring_init(struct nf_ring *ring, struct nf_buffer *buffer, const u8 id[16]);

/* The slot that record @number goes into, or NULL (a buffer whose index finds nothing). */
static inline struct nf_ring_slot *nf_ring_slot(const struct nf_ring *ring, u64 number)
{
	return nf_buffer_at(ring->buffer,
			    NF_RING_HEADER_BYTES + number % ring->slots * NF_RING_SLOT_BYTES);
}

/*
 * Appends a record. -ENOSPC where the ring is full, -EMSGSIZE where @length does not fit a slot;
 * both count as dropped. One caller at a time; any context.
 */
int nf_ring_write(struct nf_ring *ring, const void *data, size_t length);

/* The article's ring (row A4), with its faults. */
struct nf_legacy_ring {
	u8 *base;		/* block 0 */
	size_t block_bytes;
	u64 probes;		/* slots looked at */
	u64 packets;
	u64 dropped;
};

/* -EINVAL where the block is smaller than the ring. */
int nf_legacy_ring_init(struct nf_legacy_ring *ring, struct nf_buffer *buffer);
/* -ENOSPC after all 1397 slots were found occupied. The length is not checked: the article's fault. */
int nf_legacy_ring_write(struct nf_legacy_ring *ring, const void *data, size_t length);

#endif /* NF_KERNEL_RING_H */
