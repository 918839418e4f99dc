/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NF_BUFFER_H
#define NF_BUFFER_H

#include <linux/kernel.h>
#include <linux/list.h>
#include <linux/types.h>
#include <asm/page.h>

#include "index.h"

/* One block: physically contiguous, aligned to its own size. */
struct nf_block {
	void *virt;			/* in the kernel's direct map */
	unsigned int number;		/* position in the buffer, from 0 */
	struct list_head chain;		/* used by index_list.c */
	struct hlist_node bucket;	/* used by index_hash.c */
};

/* Blocks of equal size that together make one logical range of offsets (article row A2). */
struct nf_buffer {
	struct nf_block *blocks;	/* @count of them */
	unsigned int count;
	unsigned int order;		/* a block is PAGE_SIZE << order bytes */
	size_t block_bytes;
	const struct nf_index_ops *index;
	void *index_data;		/* owned by the index */
};

/*
 * Allocates @count zeroed blocks of @order. 0, or -ENOMEM with nothing left allocated. The index is
 * not touched.
 */
int nf_buffer_alloc(struct nf_buffer *buffer, unsigned int order, unsigned int count);
/* Gives everything back. Safe on a buffer that nf_buffer_alloc() refused or that is all zeros. */
void nf_buffer_free(struct nf_buffer *buffer);

/* Bytes of all blocks together. */
static inline u64 nf_buffer_bytes(const struct nf_buffer *buffer)
{
	return (u64)buffer->count * buffer->block_bytes;
}

/* Kernel address of byte @offset of the buffer, or NULL beyond its end. */
static inline void *nf_buffer_at(const struct nf_buffer *buffer, u64 offset)
{
	struct nf_block *block = buffer->index->find(buffer, offset);

	return block ? block->virt + (offset & (buffer->block_bytes - 1)) : NULL;
}

#endif /* NF_BUFFER_H */
