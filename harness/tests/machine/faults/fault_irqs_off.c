// SPDX-License-Identifier: GPL-2.0-only
/*
 * Spins for ever with interrupts off: no timer, no watchdog, no console input.
 */
#include <linux/module.h>
#include <linux/irqflags.h>
#include <linux/processor.h>

static noinline void spin_for_ever(void)
{
	for (;;)
		cpu_relax();
}

static int __init fault_irqs_off_init(void)
{
	local_irq_disable();
	spin_for_ever();
	return 0;
}
module_init(fault_irqs_off_init);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("spins with interrupts off");
