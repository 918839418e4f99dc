// SPDX-License-Identifier: GPL-2.0-only
/*
 * Writes through a bad pointer when it is loaded, in a function that init calls.
 */
#include <linux/module.h>

static noinline void write_badly(unsigned long *where)
{
	WRITE_ONCE(*where, 1);
}

static int __init fault_oops_init(void)
{
	write_badly((unsigned long *)0x10);
	return 0;
}
module_init(fault_oops_init);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("oopses in init");
