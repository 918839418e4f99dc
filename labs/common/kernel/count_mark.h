/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A mark in the instruction stream: when the harness counts instructions, its plugin stores the
 * counters here. On any other machine it is a plain no-operation. The user-space twin is
 * ../user/count_mark.hh; see there for the encoding.
 */
#ifndef ZCL_COUNT_MARK_H
#define ZCL_COUNT_MARK_H

/* @tag: a constant of 16 bits. */
#define zcl_count_mark(tag) \
	asm volatile(".byte 0x0f, 0x1f, 0x84, 0x00\n\t.long %c0" : : "i"(0x5a4c0000 | (tag)) : "memory")

#endif /* ZCL_COUNT_MARK_H */
