// SPDX-License-Identifier: GPL-2.0-only
/*
 * Spins for ever with interrupts on, in the kernel, which is not preempted.
 */
#include <linux/module.h>
#include <linux/preempt.h>
#include <linux/processor.h>

static noinline void spin_for_ever(void)
{
	for (;;)
		cpu_relax();
}

static int __init fault_spin_init(void)
{
	preempt_disable();
	spin_for_ever();
	return 0;
}
module_init(fault_spin_init);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("spins with interrupts on");
