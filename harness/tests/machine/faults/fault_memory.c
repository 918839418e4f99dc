// SPDX-License-Identifier: GPL-2.0-only
/*
 * Takes all memory and keeps it.
 */
#include <linux/module.h>
#include <linux/gfp.h>
#include <linux/highmem.h>

static int __init fault_memory_init(void)
{
	struct page *page;

	for (;;) {
		page = alloc_page(GFP_KERNEL | __GFP_NOFAIL);
		clear_highpage(page);
	}
	return 0;
}
module_init(fault_memory_init);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("exhausts memory");
