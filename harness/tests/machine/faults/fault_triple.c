// SPDX-License-Identifier: GPL-2.0-only
/*
 * Takes the interrupt table away and then interrupts: the CPU cannot even fault.
 */
#include <linux/module.h>
#include <linux/irqflags.h>
#include <asm/desc.h>

static int __init fault_triple_init(void)
{
	static const struct desc_ptr nothing = { };

	local_irq_disable();
	load_idt(&nothing);
	asm volatile("int3");
	return 0;
}
module_init(fault_triple_init);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("triple-faults");
