// SPDX-License-Identifier: GPL-2.0-only
/*
 * Blocks in a hash table, keyed by the block's number. What it has over the array: the numbers may
 * have holes, so blocks could come and go. What it costs: see the experiment block_index.
 */
#include <linux/hash.h>
#include <linux/log2.h>
#include <linux/slab.h>

#include "buffer.h"

struct hash_index {
	unsigned int bits;		/* 1 << bits buckets */
	struct hlist_head buckets[];
};

static int hash_build(struct nf_buffer *buffer)
{
	/* ZCL-BEGIN find: build the hash table
	 * Allocate a struct hash_index with at least as many buckets as there are blocks (a power
	 * of two), put every block's node into the bucket of its number (hash_32), and keep the
	 * table in buffer->index_data. -ENOMEM where there is no memory.
	 * > return -ENOSYS;
	 */
	unsigned int bits = max_t(unsigned int, 1, order_base_2(buffer->count));
	struct hash_index *index;
	unsigned int n;

	index = kvzalloc(struct_size(index, buckets, 1UL << bits), GFP_KERNEL);
	if (!index)
		return -ENOMEM;
	index->bits = bits;
	for (n = 0; n < buffer->count; n++) {
		struct nf_block *block = &buffer->blocks[n];

		hlist_add_head(&block->bucket, &index->buckets[hash_32(block->number, bits)]);
	}
	buffer->index_data = index;
	return 0;
	/* ZCL-END find */
}

static struct nf_block *hash_find(const struct nf_buffer *buffer, u64 offset)
{
	/* ZCL-BEGIN find: look a block up
	 * The number of the block that holds byte @offset follows from offset and block_bytes (a
	 * shift, as the block size is a power of two). Beyond the end of the buffer there is none:
	 * NULL. Walk the one bucket where the block can be.
	 * > return NULL;
	 */
	const struct hash_index *index = buffer->index_data;
	u64 key = offset >> (PAGE_SHIFT + buffer->order);
	struct nf_block *found;

	if (key >= buffer->count)
		return NULL;
	hlist_for_each_entry(found, &index->buckets[hash_32(key, index->bits)], bucket)
		if (found->number == key)
			return found;
	return NULL;
	/* ZCL-END find */
}

static void hash_destroy(struct nf_buffer *buffer)
{
	kvfree(buffer->index_data);
	buffer->index_data = NULL;
}

const struct nf_index_ops nf_index_hash = {
	.name = "hash",
	.build = hash_build,
	.find = hash_find,
	.destroy = hash_destroy,
};
