// SPDX-License-Identifier: GPL-2.0-only
/*
 * Blocks in a list: no memory beside the blocks, but a lookup walks from the first block on.
 */
#include <linux/slab.h>

#include "buffer.h"

static int list_build(struct nf_buffer *buffer)
{
	struct list_head *head = kmalloc(sizeof(*head), GFP_KERNEL);
	unsigned int i;

	if (!head)
		return -ENOMEM;
	INIT_LIST_HEAD(head);
	for (i = 0; i < buffer->count; i++)
		list_add_tail(&buffer->blocks[i].chain, head);
	buffer->index_data = head;
	return 0;
}

static struct nf_block *list_find(const struct nf_buffer *buffer, u64 offset)
{
	const struct list_head *head = buffer->index_data;
	struct nf_block *block;

	list_for_each_entry(block, head, chain) {
		if (offset < buffer->block_bytes)
			return block;
		offset -= buffer->block_bytes;
	}
	return NULL;
}

static void list_destroy(struct nf_buffer *buffer)
{
	kfree(buffer->index_data);
	buffer->index_data = NULL;
}

const struct nf_index_ops nf_index_list = {
	.name = "list",
	.build = list_build,
	.find = list_find,
	.destroy = list_destroy,
};
