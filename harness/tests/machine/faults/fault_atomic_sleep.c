// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sleeps with preemption off, as one does who sleeps under a spinlock.
 */
#include <linux/module.h>
#include <linux/delay.h>
#include <linux/preempt.h>

static int __init fault_atomic_sleep_init(void)
{
	preempt_disable();
	msleep(20);
	preempt_enable();
	return 0;
}
module_init(fault_atomic_sleep_init);

static void __exit fault_atomic_sleep_exit(void)
{
}
module_exit(fault_atomic_sleep_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("sleeps in atomic context");
