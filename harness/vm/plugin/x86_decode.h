/* SPDX-License-Identifier: MIT */
/*
 * As much of the x86-64 instruction format as counting needs: which instructions are system calls,
 * port accesses or marks, and which certainly run to their end.
 * Source: Intel SDM volume 2, chapter 2 (format) and appendix A (opcode maps).
 */
#ifndef ZCL_X86_DECODE_H
#define ZCL_X86_DECODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "harness/vm/counter_page.h"

enum zcl_kind {
	ZCL_KIND_OTHER,
	ZCL_KIND_PLAIN, /* registers only: cannot fault, trap or touch memory */
	ZCL_KIND_SYSTEM_CALL,
	ZCL_KIND_PORT_READ,
	ZCL_KIND_PORT_WRITE,
	ZCL_KIND_MARK,
};

/* Length of the legacy and REX prefixes at the head of an instruction. */
static inline size_t zcl_prefix_length(const uint8_t *code, size_t size)
{
	size_t n = 0;

	while (n < size) {
		const uint8_t byte = code[n];
		const bool legacy = byte == 0x26 || byte == 0x2e || byte == 0x36 || byte == 0x3e ||
				    (byte >= 0x64 && byte <= 0x67) || byte == 0xf0 ||
				    byte == 0xf2 || byte == 0xf3;
		const bool rex = (byte & 0xf0) == 0x40;

		if (!legacy && !rex)
			break;
		n++;
	}
	return n;
}

/* An opcode of the one-byte map with a ModRM byte that names two registers. */
static inline bool zcl_is_register_only(uint8_t opcode, uint8_t modrm)
{
	const uint8_t operation = (modrm >> 3) & 7;

	if (modrm < 0xc0)
		return false;
	/* add, or, adc, sbb, and, sub, xor, cmp of two registers */
	if (opcode < 0x40 && (opcode & 7) < 4)
		return true;
	switch (opcode) {
	case 0x63: /* movsxd */
	case 0x80: /* the same eight with an immediate */
	case 0x81:
	case 0x83:
	case 0x84: /* test */
	case 0x85:
	case 0x88: /* mov */
	case 0x89:
	case 0x8a:
	case 0x8b:
	case 0xc0: /* shifts and rotations */
	case 0xc1:
	case 0xd0:
	case 0xd1:
	case 0xd2:
	case 0xd3:
		return true;
	case 0xc6: /* mov immediate */
	case 0xc7:
		return operation == 0;
	case 0xf6: /* test, not, neg; never the divisions, which trap */
	case 0xf7:
		return operation < 4;
	case 0xff: /* inc, dec */
		return operation < 2;
	default:
		return false;
	}
}

static inline enum zcl_kind zcl_classify_two_byte(const uint8_t *code, size_t left)
{
	const uint8_t opcode = code[0];
	uint32_t displacement;

	if (opcode == 0x05 || opcode == 0x34)
		return ZCL_KIND_SYSTEM_CALL;
	if (opcode == 0x1f && left == 7 && code[1] == 0x84 && code[2] == 0x00) {
		memcpy(&displacement, code + 3, sizeof(displacement));
		if ((displacement & 0xffff0000u) == ZCL_MARK_DISPLACEMENT)
			return ZCL_KIND_MARK;
	}
	if (opcode == 0x1f || (opcode & 0xf0) == 0x80) /* nop; jcc */
		return ZCL_KIND_PLAIN;
	/* cmovcc, setcc, movzx, movsx of registers */
	if (left >= 2 && code[1] >= 0xc0 &&
	    ((opcode & 0xf0) == 0x40 || (opcode & 0xf0) == 0x90 || opcode == 0xb6 ||
	     opcode == 0xb7 || opcode == 0xbe || opcode == 0xbf))
		return ZCL_KIND_PLAIN;
	return ZCL_KIND_OTHER;
}

/*
 * The kind of one instruction. ZCL_KIND_PLAIN is given only where it is certain; everything
 * unknown is ZCL_KIND_OTHER.
 */
static inline enum zcl_kind zcl_classify(const uint8_t *code, size_t size)
{
	const size_t prefixes = zcl_prefix_length(code, size);
	const size_t left = size - prefixes;
	const uint8_t *const at = code + prefixes;

	if (left == 0)
		return ZCL_KIND_OTHER;
	if (memchr(code, 0xf0, prefixes)) /* lock: of registers it is undefined */
		return ZCL_KIND_OTHER;
	if (at[0] == 0x0f && left >= 2) {
		const enum zcl_kind kind = zcl_classify_two_byte(at + 1, left - 1);

		/* A mark has no prefix; a prefixed register form may be another instruction. */
		if (prefixes > 0 && kind == ZCL_KIND_MARK)
			return ZCL_KIND_PLAIN;
		return kind;
	}
	switch (at[0]) {
	case 0xcd: /* int */
		return left == 2 && at[1] == 0x80 ? ZCL_KIND_SYSTEM_CALL : ZCL_KIND_OTHER;
	case 0x6c: /* insb, insd */
	case 0x6d:
	case 0xe4: /* in */
	case 0xe5:
	case 0xec:
	case 0xed:
		return ZCL_KIND_PORT_READ;
	case 0x6e: /* outsb, outsd */
	case 0x6f:
	case 0xe6: /* out */
	case 0xe7:
	case 0xee:
	case 0xef:
		return ZCL_KIND_PORT_WRITE;
	case 0x8d: /* lea; of a register it is undefined */
		return left >= 2 && at[1] < 0xc0 ? ZCL_KIND_PLAIN : ZCL_KIND_OTHER;
	case 0x90: /* nop, pause */
	case 0xeb: /* jmp */
	case 0xe9:
		return ZCL_KIND_PLAIN;
	default:
		break;
	}
	if ((at[0] & 0xf0) == 0x70 || (at[0] & 0xf0) == 0xb0) /* jcc; mov immediate */
		return ZCL_KIND_PLAIN;
	if (left >= 2 && zcl_is_register_only(at[0], at[1]))
		return ZCL_KIND_PLAIN;
	return ZCL_KIND_OTHER;
}

/* The tag of a ZCL_KIND_MARK. */
static inline uint16_t zcl_mark_tag(const uint8_t *code)
{
	uint16_t tag;

	memcpy(&tag, code + 4, sizeof(tag));
	return tag;
}

#endif
