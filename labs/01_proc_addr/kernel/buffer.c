// SPDX-License-Identifier: GPL-2.0-only
/*
 * The memory that the packets are written to: blocks from the page allocator.
 *
 * The article took one block of order 9 at load and did not look whether it got it.
 */
#include <linux/gfp.h>
#include <linux/slab.h>

#include "buffer.h"

int nf_buffer_alloc(struct nf_buffer *buffer, unsigned int order, unsigned int count)
{
	/* ZCL-BEGIN alloc: allocate the blocks
	 * Fill in @buffer: blocks (an array of @count descriptors; count may be large, so kvcalloc),
	 * order, block_bytes (PAGE_SIZE << order), and for each block virt and number.
	 *
	 * The pages come from __get_free_pages(). They will be mapped into a user process, so they
	 * must be zeroed. A block that cannot be had is an ordinary answer: no warning in the log,
	 * no process killed to make room (see __GFP_NOWARN and __GFP_NORETRY), everything taken so
	 * far given back, -ENOMEM. count must always be the number of blocks really held.
	 * > return -ENOSYS;
	 */
	const gfp_t gfp = GFP_KERNEL | __GFP_ZERO | __GFP_NOWARN | __GFP_NORETRY;

	buffer->count = 0;
	buffer->order = order;
	buffer->block_bytes = PAGE_SIZE << order;
	buffer->blocks = kvcalloc(count, sizeof(*buffer->blocks), GFP_KERNEL | __GFP_NOWARN);
	if (!buffer->blocks)
		return -ENOMEM;

	while (buffer->count < count) {
		struct nf_block *block = &buffer->blocks[buffer->count];

		block->virt = (void *)__get_free_pages(gfp, order);
		if (!block->virt)
			goto err_free_blocks;
		block->number = buffer->count++;
	}
	return 0;

err_free_blocks:
	nf_buffer_free(buffer);
	return -ENOMEM;
	/* ZCL-END alloc */
}

void nf_buffer_free(struct nf_buffer *buffer)
{
	/* ZCL-BEGIN alloc: give the blocks back
	 * Free every block that is held, with the order it was allocated with, then the array of
	 * descriptors. Leave the buffer so that a second call does no harm.
	 * > return;
	 */
	while (buffer->count)
		free_pages((unsigned long)buffer->blocks[--buffer->count].virt, buffer->order);
	kvfree(buffer->blocks);
	buffer->blocks = NULL;
	/* ZCL-END alloc */
}
