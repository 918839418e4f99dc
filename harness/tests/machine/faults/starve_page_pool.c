// SPDX-License-Identifier: GPL-2.0-only
/*
 * While this is loaded, page pools find no memory for every `every`th page that a driver asks for. A
 * stock kernel's own fault injection is off.
 */
#include <linux/kprobes.h>
#include <linux/module.h>
#include <linux/version.h>
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 6, 0)
#include <net/page_pool/helpers.h>
#else
#include <net/page_pool.h>
#endif

static unsigned int every = 1;
module_param(every, uint, 0444);

static atomic_t calls = ATOMIC_INIT(0);

static int starve(struct kretprobe_instance *instance, struct pt_regs *regs)
{
	struct page *page = (struct page *)regs_return_value(regs);

	if (!page || atomic_inc_return(&calls) % every)
		return 0;
	page_pool_put_full_page(page->pp, page, false);
	regs_set_return_value(regs, 0);
	return 0;
}

static struct kretprobe probe = {
	.kp.symbol_name = "page_pool_alloc_pages",
	.handler = starve,
	.maxactive = 16,
};

static int __init starve_init(void)
{
	return every ? register_kretprobe(&probe) : -EINVAL;
}
module_init(starve_init);

static void __exit starve_exit(void)
{
	unregister_kretprobe(&probe);
}
module_exit(starve_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Zero-Copy Labs: no memory for page pools");
