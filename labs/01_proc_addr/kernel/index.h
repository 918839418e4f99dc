/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NF_INDEX_H
#define NF_INDEX_H

#include <linux/types.h>

struct nf_block;
struct nf_buffer;

/*
 * How the block of an offset is found. The article names three ways: a list, an array and a hash
 * table (row A2).
 */
struct nf_index_ops {
	const char *name;
	/* Takes in all blocks of an allocated buffer. 0 or -ENOMEM. */
	int (*build)(struct nf_buffer *buffer);
	/* The block that holds byte @offset, or NULL beyond the end. Any context. */
	struct nf_block *(*find)(const struct nf_buffer *buffer, u64 offset);
	/* Undoes build(). The blocks stay. */
	void (*destroy)(struct nf_buffer *buffer);
};

extern const struct nf_index_ops nf_index_list;
extern const struct nf_index_ops nf_index_array;
extern const struct nf_index_ops nf_index_hash;

/* By name, or NULL. */
const struct nf_index_ops *nf_index_by_name(const char *name);

#endif /* NF_INDEX_H */
