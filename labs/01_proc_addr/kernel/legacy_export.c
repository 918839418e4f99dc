// SPDX-License-Identifier: GPL-2.0-only
/*
 * The article's export, kept as it was to show what becomes of it (article row A7).
 *
 * Its callback printed the address and returned 9, the number of digits its machine happened to
 * need. Two things go wrong on a machine with more memory, each of them silently:
 *	/proc/nf_addr_9chars	the whole number is printed, nine characters of it are returned
 *	/proc/nf_addr_u32	"%u" takes 32 bits of the number
 */
#include <linux/fs.h>
#include <linux/io.h>
#include <linux/kernel.h>
#include <linux/proc_fs.h>
#include <linux/uaccess.h>

#include "buffer.h"
#include "export.h"

#define NF_LEGACY_CHARACTERS 9

static unsigned long first_block_address(struct file *file)
{
	const struct nf_buffer *buffer = pde_data(file_inode(file));

	return virt_to_phys(buffer->blocks[0].virt);
}

static ssize_t nine_characters_read(struct file *file, char __user *to, size_t count, loff_t *pos)
{
	char text[24] = { 0 };

	snprintf(text, sizeof(text), "%lu", first_block_address(file));
	return simple_read_from_buffer(to, count, pos, text, NF_LEGACY_CHARACTERS);
}

static ssize_t unsigned_read(struct file *file, char __user *to, size_t count, loff_t *pos)
{
	char text[24] = { 0 };
	int length = snprintf(text, sizeof(text), "%u", (unsigned int)first_block_address(file));

	return simple_read_from_buffer(to, count, pos, text, length);
}

static const struct proc_ops nine_characters_ops = {
	.proc_read = nine_characters_read,
	.proc_lseek = default_llseek,
};

static const struct proc_ops unsigned_ops = {
	.proc_read = unsigned_read,
	.proc_lseek = default_llseek,
};

int nf_legacy_export_create(struct nf_buffer *buffer)
{
	if (!proc_create_data("nf_addr_9chars", 0400, NULL, &nine_characters_ops, buffer))
		return -ENOMEM;
	if (!proc_create_data("nf_addr_u32", 0400, NULL, &unsigned_ops, buffer))
		goto err_remove_9chars;
	return 0;

err_remove_9chars:
	remove_proc_entry("nf_addr_9chars", NULL);
	return -ENOMEM;
}

void nf_legacy_export_remove(void)
{
	remove_proc_entry("nf_addr_u32", NULL);
	remove_proc_entry("nf_addr_9chars", NULL);
}
