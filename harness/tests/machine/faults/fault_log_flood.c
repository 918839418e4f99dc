// SPDX-License-Identifier: GPL-2.0-only
/*
 * Logs without end.
 */
#include <linux/module.h>
#include <linux/sched.h>

static int __init fault_log_flood_init(void)
{
	unsigned long count = 0;

	for (;;) {
		pr_info("fault corpus: line %lu of a log without end\n", count++);
		cond_resched();
	}
	return 0;
}
module_init(fault_log_flood_init);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("logs without end");
