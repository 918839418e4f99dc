// SPDX-License-Identifier: GPL-2.0-only
/*
 * /proc/nf_lab: what experiments and checks do with the module. Nothing here is part of the
 * article's mechanism, and nothing is for a student to write.
 *
 * A write is one command, numbers decimal, BYTES 16 bytes as 32 hexadecimal digits:
 *	mark OFFSET BYTES	put BYTES at a byte offset of the buffer, found through the index
 *	poke OFFSET BYTES	the same in block 0, not through the index
 *	lookup COUNT SEED	look COUNT offsets up
 *	string TEXT		write TEXT as one record
 *	fill SEED FIRST COUNT	write the records FIRST ... FIRST + COUNT - 1 of SEED (nf_record.h)
 *	long LENGTH COUNT	write COUNT records of LENGTH bytes
 *	take COUNT		read COUNT records as the reader would: advance tail
 *	run SEED		write records for ever, until a signal comes
 *	order plain|release	run store_order.c, until a signal comes
 *	handover COUNT		run hand_over.c
 * A read shows counters.
 */
#include <linux/ktime.h>
#include <linux/mm.h>
#include <linux/proc_fs.h>
#include <linux/sched/signal.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#include "compat.h"
#include "count_mark.h"
#include "device.h"
#include "nf_lab.h"
#include "nf_record.h"

#define NF_MARK_BYTES 16
#define NF_COMMAND_BYTES 512

/* hex2bin() straight into the buffer: no other copy of the bytes is to stand in memory. */
static int put_mark(void *to, size_t room, const char *hex)
{
	if (!to || room < NF_MARK_BYTES)
		return -ERANGE;
	return hex2bin(to, hex, NF_MARK_BYTES);
}

static int command_mark(struct nf_device *device, const char *arguments)
{
	const struct nf_buffer *buffer = &device->buffer;
	char hex[2 * NF_MARK_BYTES + 1];
	u64 offset;

	if (sscanf(arguments, "%llu %32s", &offset, hex) != 2)
		return -EINVAL;
	return put_mark(nf_buffer_at(buffer, offset),
			buffer->block_bytes - (offset & (buffer->block_bytes - 1)), hex);
}

static int command_poke(struct nf_device *device, const char *arguments)
{
	const struct nf_buffer *buffer = &device->buffer;
	char hex[2 * NF_MARK_BYTES + 1];
	u64 offset;

	if (sscanf(arguments, "%llu %32s", &offset, hex) != 2)
		return -EINVAL;
	if (offset >= buffer->block_bytes)
		return -ERANGE;
	return put_mark(buffer->blocks[0].virt + offset, buffer->block_bytes - offset, hex);
}

static int command_lookup(struct nf_device *device, const char *arguments)
{
	const struct nf_buffer *buffer = &device->buffer;
	u64 count, random, bytes = nf_buffer_bytes(buffer);
	unsigned int missing = 0;

	if (sscanf(arguments, "%llu %llu", &count, &random) != 2)
		return -EINVAL;
	while (count-- && !fatal_signal_pending(current)) {
		random = random * 6364136223846793005ull + 1442695040888963407ull;
		/* The upper half, scaled to the buffer: bytes is below 2^32 in every guest here. */
		if (!buffer->index->find(buffer, (random >> 32) * bytes >> 32))
			missing++;
	}
	return missing ? -ENOENT : 0;
}

static u32 make_record(u64 *to, u64 seed, u64 number)
{
	u32 length = nf_record_length(seed, number), i;

	for (i = 0; i < length / sizeof(*to); i++)
		to[i] = nf_record_word(seed, number, i);
	return length;
}

static int command_fill(struct nf_device *device, const char *arguments)
{
	u64 seed, first, count, *record;
	int err = 0;

	if (sscanf(arguments, "%llu %llu %llu", &seed, &first, &count) != 3)
		return -EINVAL;
	record = kmalloc(NF_RECORD_LONGEST, GFP_KERNEL);
	if (!record)
		return -ENOMEM;
	for (; count && !fatal_signal_pending(current); count--, first++) {
		int length = make_record(record, seed, first);

		err = nf_device_write(device, record, length);
		if (err && err != -ENOSPC)
			break;
	}
	kfree_sensitive(record);
	return err == -ENOSPC ? 0 : err;
}

static int command_long(struct nf_device *device, const char *arguments)
{
	unsigned int count;
	size_t length;
	u8 *record;
	int err = 0;

	if (sscanf(arguments, "%zu %u", &length, &count) != 2 || length > PAGE_SIZE)
		return -EINVAL;
	record = kmalloc(PAGE_SIZE, GFP_KERNEL);
	if (!record)
		return -ENOMEM;
	memset(record, 0xee, PAGE_SIZE);
	while (count-- && !fatal_signal_pending(current))
		err = nf_device_write(device, record, length);
	kfree(record);
	return err;
}

/* Not from header->head: a writer that forgets to publish must not look as if it had. */
static void take(struct nf_ring *ring, u64 count)
{
	u64 tail = READ_ONCE(ring->header->tail);

	smp_store_release(&ring->header->tail, tail + count);
}

static int command_take(struct nf_device *device, const char *arguments)
{
	u64 count;

	if (device->kind != NF_RING_CORRECTED || sscanf(arguments, "%llu", &count) != 1)
		return -EINVAL;
	take(&device->ring, count);
	return 0;
}

static int command_run(struct nf_device *device, const char *arguments)
{
	const size_t words = NF_RECORD_LONGEST / sizeof(u64);
	u32 lengths[NF_RECORD_CYCLE], i;
	u64 seed, number = 0, *records;
	int err = 0;

	if (device->kind != NF_RING_CORRECTED || sscanf(arguments, "%llu", &seed) != 1)
		return -EINVAL;
	records = kvmalloc_array(NF_RECORD_CYCLE, NF_RECORD_LONGEST, GFP_KERNEL);
	if (!records)
		return -ENOMEM;
	for (i = 0; i < NF_RECORD_CYCLE; i++)
		lengths[i] = make_record(records + i * words, seed, i);

	while (!signal_pending(current)) {
		i = number % NF_RECORD_CYCLE;
		err = nf_device_write(device, records + i * words, lengths[i]);
		if (!err)
			number++;
		else if (err == -ENOSPC)
			take(&device->ring, (device->ring.slots + 1) / 2);
		else
			break;
		cond_resched();
	}
	kvfree(records);
	return err && err != -ENOSPC ? err : -EINTR;
}

static int command_string(struct nf_device *device, const char *text)
{
	return nf_device_write(device, text, strlen(text));
}

static int command_order(struct nf_device *device, const char *arguments)
{
	if (!strcmp(arguments, "plain"))
		return nf_store_order_run(device, false);
	if (!strcmp(arguments, "release"))
		return nf_store_order_run(device, true);
	return -EINVAL;
}

static int command_handover(struct nf_device *device, const char *arguments)
{
	u32 count;

	if (sscanf(arguments, "%u", &count) != 1 || count > 100000)
		return -EINVAL;
	return nf_hand_over_run(device, count);
}

static const struct {
	const char *name;
	int (*run)(struct nf_device *device, const char *arguments);
} commands[] = {
	{ "mark", command_mark },
	{ "poke", command_poke },
	{ "lookup", command_lookup },
	{ "string", command_string },
	{ "fill", command_fill },
	{ "long", command_long },
	{ "take", command_take },
	{ "run", command_run },
	{ "order", command_order },
	{ "handover", command_handover },
};

static int run_command(struct nf_device *device, char *text)
{
	char *name = strsep(&text, " ");
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(commands); i++)
		if (!strcmp(commands[i].name, name))
			return commands[i].run(device, text ?: "");
	return -EINVAL;
}

static ssize_t control_write(struct file *file, const char __user *from, size_t count, loff_t *pos)
{
	struct nf_device *device = pde_data(file_inode(file));
	char *text;
	int err;

	if (count > NF_COMMAND_BYTES)
		return -E2BIG;
	text = memdup_user_nul(from, count);
	if (IS_ERR(text))
		return PTR_ERR(text);
	zcl_count_mark(NF_MARK_BEGIN);
	err = run_command(device, strim(text));
	zcl_count_mark(NF_MARK_END);
	kfree_sensitive(text);
	return err ?: count;
}

static int control_show(struct seq_file *file, void *unused)
{
	const struct nf_device *device = file->private;
	const struct nf_hand_over *seen = &device->hand_over;

	seq_printf(file, "index %s\n", device->buffer.index->name);
	seq_printf(file, "tap_frames %llu\n", device->tap.frames);
	seq_printf(file, "legacy_probes %llu\n", device->legacy.probes);
	seq_printf(file, "legacy_packets %llu\n", device->legacy.packets);
	seq_printf(file, "legacy_dropped %llu\n", device->legacy.dropped);
	seq_printf(file, "ring_packets %llu\n", device->ring.head);
	seq_printf(file, "ring_dropped %llu\n", device->ring.dropped);
	seq_printf(file, "handover_sent %u\n", seen->sent);
	seq_printf(file, "handover_freed_after_netif_receive_skb %u\n",
		   seen->freed_after_netif_receive_skb);
	seq_printf(file, "handover_freed_after_netif_rx %u\n", seen->freed_after_netif_rx);
	seq_printf(file, "handover_freed_after_queueing %u\n", seen->freed_after_queueing);
	seq_printf(file, "handover_freed_after_softirq %u\n", seen->freed_after_softirq);
	seq_printf(file, "handover_pulled_bytes %u\n", seen->pulled_bytes);
	nf_translate_show(device, file);
	return 0;
}

static int control_open(struct inode *inode, struct file *file)
{
	return single_open(file, control_show, pde_data(inode));
}

static const struct proc_ops control_ops = {
	.proc_open = control_open,
	.proc_read = seq_read,
	.proc_write = control_write,
	.proc_lseek = seq_lseek,
	.proc_release = single_release,
};

int nf_control_create(struct nf_device *device)
{
	return proc_create_data("nf_lab", 0600, NULL, &control_ops, device) ? 0 : -ENOMEM;
}

void nf_control_remove(void)
{
	remove_proc_entry("nf_lab", NULL);
}
