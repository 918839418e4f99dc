// SPDX-License-Identifier: GPL-2.0-only
/*
 * Waits in its exit function for what nobody will complete.
 */
#include <linux/module.h>
#include <linux/completion.h>

static DECLARE_COMPLETION(never);

static int __init fault_exit_hang_init(void)
{
	return 0;
}
module_init(fault_exit_hang_init);

static void __exit fault_exit_hang_exit(void)
{
	wait_for_completion(&never);
	pr_info("never\n");	/* so that the wait is a call, and this function in its trace */
}
module_exit(fault_exit_hang_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("hangs in exit");
