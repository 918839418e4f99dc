// SPDX-License-Identifier: GPL-2.0-only
/*
 * The corrected ring: the writer. See nf_ring.h for the layout and the ordering argument.
 */
#include <linux/errno.h>
#include <linux/string.h>
#include <asm/barrier.h>

#include "ring.h"

int nf_ring_init(struct nf_ring *ring, struct nf_buffer *buffer, const u8 id[16])
{
	u64 bytes = nf_buffer_bytes(buffer);

	if (bytes < NF_RING_HEADER_BYTES + NF_RING_SLOT_BYTES)
		return -EINVAL;
	ring->buffer = buffer;
	ring->header = buffer->blocks[0].virt;
	ring->head = 0;
	ring->dropped = 0;
	ring->slots = (bytes - NF_RING_HEADER_BYTES) / NF_RING_SLOT_BYTES;

	memset(ring->header, 0, NF_RING_HEADER_BYTES);
	memcpy(ring->header->id, id, sizeof(ring->header->id));
	ring->header->header_bytes = NF_RING_HEADER_BYTES;
	ring->header->slot_bytes = NF_RING_SLOT_BYTES;
	ring->header->slots = ring->slots;
	smp_store_release(&ring->header->magic, NF_RING_MAGIC);
	return 0;
}

int nf_ring_write(struct nf_ring *ring, const void *data, size_t length)
{
	/* ZCL-BEGIN write: append a record
	 * Refuse a record that does not fit a slot (-EMSGSIZE) and a full ring (-ENOSPC); count
	 * either in ring->dropped and copy that to the header. Otherwise fill the slot (length,
	 * sequence, data) and only then make it visible by the header's head.
	 *
	 * Two things to get right. The order: read the argument in nf_ring.h and use
	 * smp_load_acquire() and smp_store_release() where it says so. And trust: the reader can
	 * write anything to the header at any time. ring->head and ring->slots are yours; of the
	 * header you need only tail, read once, and whatever it says must not harm the kernel.
	 * > return -ENOSYS;
	 */
	struct nf_ring_header *header = ring->header;
	/* Acquire: the reader's loads from the slot came before it gave the slot back. */
	u64 tail = smp_load_acquire(&header->tail);
	struct nf_ring_slot *slot;
	int err = -EMSGSIZE;

	if (length > NF_RING_DATA_BYTES)
		goto err_drop;
	/* A tail that is ahead of head makes the difference huge: the ring counts as full. */
	err = -ENOSPC;
	if (ring->head - tail >= ring->slots)
		goto err_drop;
	slot = nf_ring_slot(ring, ring->head);
	if (!slot)
		goto err_drop;

	slot->length = length;
	slot->sequence = ring->head;
	memcpy(slot->data, data, length);
	ring->head++;
	WRITE_ONCE(header->packets, ring->head);
	/* Release: whoever sees this head sees the whole slot. */
	smp_store_release(&header->head, ring->head);
	return 0;

err_drop:
	WRITE_ONCE(header->dropped, ++ring->dropped);
	return err;
	/* ZCL-END write */
}
