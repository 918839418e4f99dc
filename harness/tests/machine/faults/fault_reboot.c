// SPDX-License-Identifier: GPL-2.0-only
/*
 * Resets the machine.
 */
#include <linux/module.h>
#include <linux/reboot.h>

static int __init fault_reboot_init(void)
{
	emergency_restart();
	return 0;
}
module_init(fault_reboot_init);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("reboots");
