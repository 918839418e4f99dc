// SPDX-License-Identifier: GPL-2.0-only
/*
 * Blocks in an array: as all blocks have one size, the block's number is a shift of the offset. The
 * array of descriptors that the buffer has anyway is the index.
 */
#include <linux/string.h>

#include "buffer.h"

static int array_build(struct nf_buffer *buffer)
{
	return 0;
}

static struct nf_block *array_find(const struct nf_buffer *buffer, u64 offset)
{
	u64 number = offset >> (PAGE_SHIFT + buffer->order);

	return number < buffer->count ? &buffer->blocks[number] : NULL;
}

static void array_destroy(struct nf_buffer *buffer)
{
}

const struct nf_index_ops nf_index_array = {
	.name = "array",
	.build = array_build,
	.find = array_find,
	.destroy = array_destroy,
};

const struct nf_index_ops *nf_index_by_name(const char *name)
{
	static const struct nf_index_ops *const all[] = {
		&nf_index_list, &nf_index_array, &nf_index_hash,
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(all); i++)
		if (sysfs_streq(all[i]->name, name))
			return all[i];
	return NULL;
}
