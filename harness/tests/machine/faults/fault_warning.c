// SPDX-License-Identifier: GPL-2.0-only
/*
 * Warns when it is loaded, and lives on.
 */
#include <linux/module.h>

static int __init fault_warning_init(void)
{
	WARN(1, "fault corpus\n");
	return 0;
}
module_init(fault_warning_init);

static void __exit fault_warning_exit(void)
{
}
module_exit(fault_warning_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("warns");
