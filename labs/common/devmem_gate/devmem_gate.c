// SPDX-License-Identifier: GPL-2.0-only
/*
 * devmem_gate: lets a root process map ordinary RAM through /dev/mem.
 *
 * The articles of 2007 open /dev/mem and map a kernel buffer by its physical address. Since
 * CONFIG_STRICT_DEVMEM (2.6.26; set in every distribution kernel) the kernel asks
 * devmem_is_allowed() for each page and refuses those of RAM with EPERM. This module puts a return
 * probe on that function and turns its "no" into "yes" while the module is loaded, so that the
 * articles' programs can be run as they were.
 *
 * What it does not do: it changes no memory type, no page table and no file permission. It is for a
 * teaching machine that is thrown away afterwards: with it loaded, whoever may open /dev/mem owns
 * the kernel. The right way to share a buffer is the module's own mmap (lab 02).
 *
 * Parameters: start, length: the physical range to open, in bytes (default: all).
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/kprobes.h>
#include <linux/module.h>
#include <linux/pfn.h>

static unsigned long start;
module_param(start, ulong, 0444);
MODULE_PARM_DESC(start, "first physical address to open");

static unsigned long length = ULONG_MAX;
module_param(length, ulong, 0444);
MODULE_PARM_DESC(length, "bytes to open from there");

struct question {
	unsigned long pfn;
};

static int on_entry(struct kretprobe_instance *instance, struct pt_regs *regs)
{
	struct question *question = (struct question *)instance->data;

	question->pfn = regs_get_kernel_argument(regs, 0);
	return 0;
}
NOKPROBE_SYMBOL(on_entry);

static int on_return(struct kretprobe_instance *instance, struct pt_regs *regs)
{
	const struct question *question = (struct question *)instance->data;

	/* Distance from the start, so that start + length cannot overflow. */
	if (PFN_PHYS(question->pfn) >= start && PFN_PHYS(question->pfn) - start < length)
		regs_set_return_value(regs, 1);
	return 0;
}
NOKPROBE_SYMBOL(on_return);

static struct kretprobe gate = {
	.kp.symbol_name = "devmem_is_allowed",
	.entry_handler = on_entry,
	.handler = on_return,
	.data_size = sizeof(struct question),
	.maxactive = 64,
};

static int __init devmem_gate_init(void)
{
	int err = register_kretprobe(&gate);

	if (err) {
		pr_err("no probe on devmem_is_allowed: %d\n", err);
		return err;
	}
	pr_info("RAM is open to /dev/mem until this module is removed\n");
	return 0;
}

static void __exit devmem_gate_exit(void)
{
	unregister_kretprobe(&gate);
	if (gate.nmissed)
		pr_info("%d questions were missed\n", gate.nmissed);
}

module_init(devmem_gate_init);
module_exit(devmem_gate_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Opens RAM to /dev/mem for teaching; never load it on a machine you keep");
