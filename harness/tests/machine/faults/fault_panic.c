// SPDX-License-Identifier: GPL-2.0-only
/*
 * Panics when it is loaded.
 */
#include <linux/module.h>
#include <linux/panic.h>

static int __init fault_panic_init(void)
{
	panic("fault corpus");
}
module_init(fault_panic_init);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("panics");
