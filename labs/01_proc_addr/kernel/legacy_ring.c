// SPDX-License-Identifier: GPL-2.0-only
/*
 * The article's ring, written as the article describes it (row A4), faults included:
 *	- the length is not checked, so a full Ethernet frame runs into the next slot's length;
 *	- length and data are plain stores, so nothing orders them;
 *	- a full ring is noticed only after every slot was looked at.
 * Two things differ, for the safety of the kernel: an index that the reader spoiled is brought back
 * into range, and a copy ends at the block's end whatever its length.
 */
#include <linux/errno.h>
#include <linux/minmax.h>
#include <linux/string.h>

#include "ring.h"

int nf_legacy_ring_init(struct nf_legacy_ring *ring, struct nf_buffer *buffer)
{
	struct nf_legacy_header *header = buffer->blocks[0].virt;

	if (buffer->block_bytes < NF_LEGACY_BYTES)
		return -EINVAL;
	*ring = (struct nf_legacy_ring) {
		.base = buffer->blocks[0].virt,
		.block_bytes = buffer->block_bytes,
	};
	header->slot_bytes = NF_LEGACY_SLOT_BYTES;
	header->slots = NF_LEGACY_SLOTS;
	header->write_index = 1;
	header->read_index = 1;
	return 0;
}

static unsigned int next_slot(unsigned int slot)
{
	return slot % NF_LEGACY_DATA_SLOTS + 1;
}

int nf_legacy_ring_write(struct nf_legacy_ring *ring, const void *data, size_t length)
{
	struct nf_legacy_header *header = (struct nf_legacy_header *)ring->base;
	unsigned int slot = next_slot(READ_ONCE(header->write_index) + NF_LEGACY_DATA_SLOTS - 1);
	unsigned int probes;

	for (probes = 0; probes < NF_LEGACY_DATA_SLOTS; probes++, slot = next_slot(slot)) {
		size_t at = slot * NF_LEGACY_SLOT_BYTES;
		u32 *slot_length = (u32 *)(ring->base + at);

		if (READ_ONCE(*slot_length))
			continue;
		at += sizeof(*slot_length);
		memcpy(ring->base + at, data, min(length, ring->block_bytes - at));
		*slot_length = length;
		header->write_index = next_slot(slot);
		ring->probes += probes + 1;
		ring->packets++;
		return 0;
	}
	ring->probes += probes;
	ring->dropped++;
	return -ENOSPC;
}
