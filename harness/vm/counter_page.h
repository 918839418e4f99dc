/* SPDX-License-Identifier: MIT */
/*
 * The page that the counting plugin (inside QEMU) shares with the host: a file that both map.
 *
 * The plugin only adds; the host only reads. With the machine paused no vCPU runs, so the host sees
 * a consistent state. The guest cannot reach this memory.
 */
#ifndef ZCL_VM_COUNTER_PAGE_H
#define ZCL_VM_COUNTER_PAGE_H

#include <stdint.h>

#define ZCL_COUNTER_MAGIC UINT64_C(0x31544e554f434c5a) /* the bytes "ZLCOUNT1" */
#define ZCL_COUNTER_VERSION 1u

/* Device pages told apart; accesses to further ones are in the totals only. A power of two. */
#define ZCL_COUNTER_DEVICE_PAGES 256u
/* Marks kept; the latest ones win. A power of two. */
#define ZCL_COUNTER_MARKS 1024u

/*
 * The guest's mark: an eight-byte no-operation that no compiler or assembler emits by itself,
 *
 *     0f 1f 84 00  tt tt  4c 5a        nopl 0x5a4ctttt(%rax,%rax,1)
 *
 * with a 16-bit tag t in the low half of its displacement. Executing it (in user space or in the
 * kernel) makes the plugin store the counters with the tag. The mark itself is not counted, so the
 * difference of two marks is the number of instructions between them.
 */
#define ZCL_MARK_DISPLACEMENT UINT32_C(0x5a4c0000)

/* Totals since QEMU started. */
struct zcl_counter_values {
	uint64_t user;                  /* instructions at addresses of the lower half */
	uint64_t kernel;                /* instructions at addresses of the upper half */
	uint64_t system_calls;          /* syscall, sysenter, int 0x80 in the lower half */
	uint64_t register_reads;        /* loads from memory-mapped registers, all */
	uint64_t register_writes;       /* stores to memory-mapped registers, all */
	uint64_t user_register_reads;   /* those by instructions of the lower half */
	uint64_t user_register_writes;
	uint64_t port_reads;            /* in, ins (one each repetition) */
	uint64_t port_writes;           /* out, outs */
};

/* Register accesses of one 4 KiB page of guest-physical device memory. */
struct zcl_counter_device_page {
	uint64_t address; /* of the page, plus 1; 0: the entry is free */
	uint64_t reads;
	uint64_t writes;
};

struct zcl_counter_mark {
	uint64_t tag;
	struct zcl_counter_values values;
};

struct zcl_counter_page {
	/* Written by the host before QEMU starts. */
	uint64_t magic;
	uint32_t version;
	uint32_t size; /* of this structure, bytes */
	/* Written by the plugin: ZCL_COUNTER_VERSION once it has accepted the page. */
	uint32_t attached;
	uint32_t reserved;
	struct zcl_counter_values values;
	uint64_t marks_written; /* ever; mark n is marks[n % ZCL_COUNTER_MARKS] */
	struct zcl_counter_device_page device_pages[ZCL_COUNTER_DEVICE_PAGES];
	struct zcl_counter_mark marks[ZCL_COUNTER_MARKS];
};

#endif
