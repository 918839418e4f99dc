// SPDX-License-Identifier: GPL-2.0-only
/*
 * "The length is written last", says the article, and writes it as the last line of C (row A4).
 *
 * The compiler does not owe the processor that order. Here are the last two stores of such a writer,
 * once as plain assignments and once with release. The payload's word needs a load and an addition
 * first; a compiler that schedules instructions uses that time for the other store. x86 keeps the
 * order of the stores it is given, so on this processor the compiler's order is the whole matter;
 * on others (arm64, power, riscv) the processor reorders plain stores as well.
 */
#include <linux/sched/signal.h>
#include <asm/barrier.h>

#include "device.h"

struct order_slot {
	u32 length;	/* 0: nothing there */
	u32 payload;	/* must be length + 1 whenever length is not 0 */
};

static noinline __noclone void nf_publish_plain(struct order_slot *to, const u32 *source, u32 length)
{
	to->payload = *source + 1;
	to->length = length;
}

static noinline __noclone void nf_publish_release(struct order_slot *to, const u32 *source, u32 length)
{
	to->payload = *source + 1;
	smp_store_release(&to->length, length);
}

int nf_store_order_run(struct nf_device *device, bool release)
{
	struct order_slot *slot = device->buffer.blocks[0].virt;
	u32 source = 1;

	if (device->kind != NF_RING_NONE)
		return -EBUSY;
	while (!signal_pending(current)) {
		WRITE_ONCE(slot->length, 0);
		source = source < U32_MAX - 1 ? source + 1 : 1;
		if (release)
			nf_publish_release(slot, &source, source);
		else
			nf_publish_plain(slot, &source, source);
		cond_resched();
	}
	return -EINTR;
}
