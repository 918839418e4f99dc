/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * The two rings that a kernel writer and a user-space reader share. Kernel, programs and harness
 * include this one file.
 *
 * The legacy ring is the article's, byte for byte (article row A4). The corrected ring is what it
 * should have been. Neither header is ever trusted by the kernel: the reader can write to it.
 */
#ifndef NF_RING_H
#define NF_RING_H

#ifdef __KERNEL__
#include <linux/build_bug.h>
#include <linux/stddef.h>
#else
#include <stddef.h>
#endif
#include <linux/types.h>

/*
 * Legacy ring: slots of 1500 bytes in one block of 2 MiB. Slot 0 is the header; each other slot is
 * a length, 0 when the slot is free, and up to 1496 bytes. An Ethernet frame has up to 1514.
 */
#define NF_LEGACY_SLOT_BYTES 1500
#define NF_LEGACY_DATA_BYTES 1496
#define NF_LEGACY_SLOTS 1398			/* slot 0 included */
#define NF_LEGACY_DATA_SLOTS (NF_LEGACY_SLOTS - 1)
#define NF_LEGACY_BYTES (NF_LEGACY_SLOTS * NF_LEGACY_SLOT_BYTES)

struct nf_legacy_header {
	__u16 slot_bytes;	/* 1500 */
	__u16 slots;		/* 1398 */
	__u16 write_index;	/* slot to probe first, 1 ... 1397 */
	__u16 read_index;	/* slot to read next, 1 ... 1397 */
};

struct nf_legacy_slot {
	__u32 length;
	__u8 data[NF_LEGACY_DATA_BYTES];
};

static_assert(sizeof(struct nf_legacy_header) == 8, "four 16-bit fields");
static_assert(offsetof(struct nf_legacy_header, slots) == 2, "article's layout");
static_assert(offsetof(struct nf_legacy_header, write_index) == 4, "article's layout");
static_assert(offsetof(struct nf_legacy_header, read_index) == 6, "article's layout");
static_assert(sizeof(struct nf_legacy_slot) == NF_LEGACY_SLOT_BYTES, "article's slot");
static_assert(offsetof(struct nf_legacy_slot, data) == 4, "length first");
static_assert(NF_LEGACY_BYTES <= 2 * 1024 * 1024, "fits a block of order 9");

/*
 * Corrected ring: a header page, then slots of 2048 bytes, so that a slot never lies across two
 * blocks. One writer, one reader.
 *
 * head and tail count records since the start and never wrap (64 bits); record n stands in slot
 * n % slots. The records from tail up to head, head excluded, are readable. head is written by the
 * kernel alone, tail by the reader alone, each on a cache line of its own, so that neither side's
 * stores take the other side's line away more often than needed.
 *
 * Ordering: the writer fills the slot and then stores head with release; the reader loads head with
 * acquire and then reads the slot. Thus a record that is visible is complete. The other way round
 * the reader stores tail with release after its last load from the slot, and the writer loads tail
 * with acquire before it fills the slot again. Thus a record is never overwritten while it is read.
 */
#define NF_RING_MAGIC 0x31676e72			/* "rng1" */
#define NF_RING_HEADER_BYTES 4096
#define NF_RING_SLOT_BYTES 2048
#define NF_RING_DATA_BYTES (NF_RING_SLOT_BYTES - 8)

struct nf_ring_header {
	__u8 id[16];		/* chosen by who loads the module */
	__u32 magic;		/* NF_RING_MAGIC */
	__u32 header_bytes;	/* where slot 0 begins */
	__u32 slot_bytes;
	__u32 slots;
	__u64 packets;		/* records written */
	__u64 dropped;		/* records refused: ring full, or too long */
	__u8 pad0[16];
	__u64 head;
	__u8 pad1[56];
	__u64 tail;
	__u8 pad2[56];
};

struct nf_ring_slot {
	__u32 length;		/* bytes of data, at most NF_RING_DATA_BYTES */
	__u32 sequence;		/* the record's number, low 32 bits */
	__u8 data[NF_RING_DATA_BYTES];
};

static_assert(offsetof(struct nf_ring_header, head) == 64, "a cache line of its own");
static_assert(offsetof(struct nf_ring_header, tail) == 128, "a cache line of its own");
static_assert(sizeof(struct nf_ring_header) == 192, "whole cache lines");
static_assert(sizeof(struct nf_ring_slot) == NF_RING_SLOT_BYTES, "no padding");

#endif /* NF_RING_H */
