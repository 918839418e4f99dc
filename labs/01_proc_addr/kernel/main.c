// SPDX-License-Identifier: GPL-2.0-only
/*
 * nf_addr: a buffer in kernel memory whose physical address user space is told, so that a reader can
 * map it and see received packets without a system call (articles rows A1 to A7).
 *
 * Loading allocates the blocks, lays a ring over them, exports their addresses and, where asked to,
 * captures what an interface receives. Unloading gives everything back. What it does not do: keep a
 * reader's mapping alive, or notice one. Through /dev/mem the kernel does not know that the buffer
 * is mapped; unload only when no reader is left. (Lab 02 does that right.)
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/module.h>
#include <linux/skbuff.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "compat.h"
#include "device.h"
#include "export.h"

#define NF_STAMP_BYTES 16

static unsigned int order = 9;
module_param(order, uint, 0444);
MODULE_PARM_DESC(order, "a block is this power of two of pages (default 9: 2 MiB)");

static unsigned int blocks = 1;
module_param(blocks, uint, 0444);
MODULE_PARM_DESC(blocks, "number of blocks (default 1)");

static char *index = "array";
module_param(index, charp, 0444);
MODULE_PARM_DESC(index, "how a block is found: list, array (default) or hash");

static char *ring = "corrected";
module_param(ring, charp, 0444);
MODULE_PARM_DESC(ring, "corrected (default), legacy (the article's) or none");

static char *tap = "";
module_param(tap, charp, 0444);
MODULE_PARM_DESC(tap, "interface whose received frames are written to the ring (default: none)");

static bool tap_as_article;
module_param(tap_as_article, bool, 0444);
MODULE_PARM_DESC(tap_as_article, "take skb->data as the begin of the frame, as the article did");

static bool strings;
module_param(strings, bool, 0444);
MODULE_PARM_DESC(strings, "write the article's three strings at load");

static bool translate;
module_param(translate, bool, 0444);
MODULE_PARM_DESC(translate, "make the addresses that /proc/nf_lab then compares");

/* Not readable in sysfs: what it holds is to be found in the buffer only. */
static char *stamp = "";
module_param(stamp, charp, 0);
MODULE_PARM_DESC(stamp, "16 bytes in hexadecimal that mark the buffer");

static struct nf_device *the_device;

int nf_device_write(struct nf_device *device, const void *data, size_t length)
{
	int err = -ENXIO;

	spin_lock_bh(&device->lock);
	if (device->kind == NF_RING_CORRECTED)
		err = nf_ring_write(&device->ring, data, length);
	else if (device->kind == NF_RING_LEGACY)
		err = nf_legacy_ring_write(&device->legacy, data, length);
	spin_unlock_bh(&device->lock);
	return err;
}

int nf_device_write_skb(struct nf_device *device, const struct sk_buff *skb, unsigned int before)
{
	size_t length = skb->len + before;
	int err;

	if (!skb_is_nonlinear(skb))
		return nf_device_write(device, skb->data - before, length);

	/* A frame in pieces is put together first; the drivers here never make one this short. */
	if (length > sizeof(device->scratch))
		return -EMSGSIZE;
	spin_lock_bh(&device->lock);
	err = skb_copy_bits(skb, -(int)before, device->scratch, length);
	if (!err && device->kind == NF_RING_CORRECTED)
		err = nf_ring_write(&device->ring, device->scratch, length);
	else if (!err && device->kind == NF_RING_LEGACY)
		err = nf_legacy_ring_write(&device->legacy, device->scratch, length);
	spin_unlock_bh(&device->lock);
	return err;
}

/*
 * Marks each block at its first and its last bytes: stamp, number of the block, and which end. The
 * stamp is decoded in place: it is to stand nowhere else.
 */
static int stamp_blocks(struct nf_buffer *buffer)
{
	const size_t mark_bytes = NF_STAMP_BYTES + 2 * sizeof(u64);
	unsigned int i, end;

	for (i = 0; i < buffer->count; i++) {
		for (end = 0; end < 2; end++) {
			u8 *at = buffer->blocks[i].virt;
			u64 *numbers;

			at += end ? buffer->block_bytes - mark_bytes : 0;
			if (hex2bin(at, stamp, NF_STAMP_BYTES))
				return -EINVAL;
			numbers = (u64 *)(at + NF_STAMP_BYTES);
			numbers[0] = i;
			numbers[1] = end;
		}
	}
	return 0;
}

static int lay_ring(struct nf_device *device)
{
	u8 id[NF_STAMP_BYTES] = { 0 };
	int err;

	if (sysfs_streq(ring, "none"))
		return *stamp ? stamp_blocks(&device->buffer) : 0;
	if (sysfs_streq(ring, "legacy")) {
		device->kind = NF_RING_LEGACY;
		return nf_legacy_ring_init(&device->legacy, &device->buffer);
	}
	if (!sysfs_streq(ring, "corrected") || (*stamp && hex2bin(id, stamp, sizeof(id))))
		return -EINVAL;
	device->kind = NF_RING_CORRECTED;
	err = nf_ring_init(&device->ring, &device->buffer, id);
	memzero_explicit(id, sizeof(id));
	return err;
}

static void write_strings(struct nf_device *device)
{
	static const char *const article[] = {
		"data1dfadfaserty", "data2zcvbnm", "data39876543210poiuyt",
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(article); i++)
		nf_device_write(device, article[i], strlen(article[i]));
}

static int start_translate(struct nf_device *device)
{
	u8 mark[NF_STAMP_BYTES] = { 0 };
	unsigned int i;
	int err;

	if (*stamp && hex2bin(mark, stamp, sizeof(mark)))
		return -EINVAL;
	/* Its complement marks the vmalloc page, so that the two can be told apart. */
	for (i = 0; i < sizeof(mark); i++)
		mark[i] = ~mark[i];
	err = nf_translate_start(device, mark);
	memzero_explicit(mark, sizeof(mark));
	return err;
}

/* What comes after the memory: everything that user space or the network can reach. */
static int open_to_the_world(struct nf_device *device)
{
	int err;

	err = nf_export_create(&device->buffer);
	if (err)
		return err;
	err = nf_legacy_export_create(&device->buffer);
	if (err)
		goto err_remove_export;
	err = nf_control_create(device);
	if (err)
		goto err_remove_legacy_export;
	if (*tap) {
		err = nf_tap_start(&device->tap, tap, tap_as_article);
		if (err)
			goto err_remove_control;
	}
	return 0;

err_remove_control:
	nf_control_remove();
err_remove_legacy_export:
	nf_legacy_export_remove();
err_remove_export:
	nf_export_remove();
	return err;
}

static int __init nf_addr_init(void)
{
	struct nf_device *device;
	int err = -EINVAL;

	if (!blocks || order >= BITS_PER_LONG - PAGE_SHIFT)
		return err;
	device = kzalloc(sizeof(*device), GFP_KERNEL);
	if (!device)
		return -ENOMEM;
	spin_lock_init(&device->lock);
	device->buffer.index = nf_index_by_name(index);
	if (!device->buffer.index) {
		pr_err("index=%s: must be list, array or hash\n", index);
		goto err_free_device;
	}

	err = nf_buffer_alloc(&device->buffer, order, blocks);
	if (err)
		goto err_free_device;
	err = device->buffer.index->build(&device->buffer);
	if (err)
		goto err_free_buffer;
	err = lay_ring(device);
	if (err)
		goto err_destroy_index;
	if (strings)
		write_strings(device);
	if (translate) {
		err = start_translate(device);
		if (err)
			goto err_destroy_index;
	}
	err = open_to_the_world(device);
	if (err)
		goto err_stop_translate;
	the_device = device;
	return 0;

err_stop_translate:
	nf_translate_stop(device);
err_destroy_index:
	device->buffer.index->destroy(&device->buffer);
err_free_buffer:
	nf_buffer_free(&device->buffer);
err_free_device:
	kfree(device);
	return err;
}

static void __exit nf_addr_exit(void)
{
	struct nf_device *device = the_device;

	nf_tap_stop(&device->tap);
	nf_control_remove();
	nf_legacy_export_remove();
	nf_export_remove();
	nf_translate_stop(device);
	device->buffer.index->destroy(&device->buffer);
	nf_buffer_free(&device->buffer);
	kfree(device);
}

module_init(nf_addr_init);
module_exit(nf_addr_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Zero-Copy Labs 01: a kernel buffer exported by its physical address");
