// SPDX-License-Identifier: GPL-2.0-only
/*
 * /proc/nf_addr: where the buffer is in physical memory, for a reader that maps it through
 * /dev/mem. One line a block, in the order of the offsets: physical address and bytes, both decimal:
 *
 *	60817408 2097152
 *
 * Only root may read it: a physical address helps whoever attacks the kernel.
 */
#include <linux/io.h>
#include <linux/proc_fs.h>
#include <linux/seq_file.h>

#include "buffer.h"
#include "export.h"

static int nf_addr_show(struct seq_file *file, void *unused)
{
	/* ZCL-BEGIN export: translate and print the addresses
	 * file->private is the struct nf_buffer. For each block print one line: its physical
	 * address, a space, its size in bytes. A physical address has up to 52 bits: look at what
	 * type phys_addr_t is on this machine before you choose the format.
	 * > return 0;
	 */
	const struct nf_buffer *buffer = file->private;
	unsigned int n;

	for (n = 0; n < buffer->count; n++) {
		phys_addr_t address = virt_to_phys(buffer->blocks[n].virt);

		seq_printf(file, "%llu %zu\n", (unsigned long long)address, buffer->block_bytes);
	}
	return 0;
	/* ZCL-END export */
}
DEFINE_PROC_SHOW_ATTRIBUTE(nf_addr);

int nf_export_create(struct nf_buffer *buffer)
{
	if (!proc_create_data("nf_addr", 0400, NULL, &nf_addr_proc_ops, buffer))
		return -ENOMEM;
	return 0;
}

void nf_export_remove(void)
{
	remove_proc_entry("nf_addr", NULL);
}
