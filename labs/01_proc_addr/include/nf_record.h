/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * Records whose every byte follows from a seed and a number, so that whoever chose the seed can
 * tell from the memory alone which record stands in a slot and whether it is whole.
 */
#ifndef NF_RECORD_H
#define NF_RECORD_H

#include <linux/types.h>

#define NF_RECORD_SHORTEST 64
#define NF_RECORD_LONGEST 1512
/* The endless writer prepares this many records and repeats them; no multiple of a ring's slots. */
#define NF_RECORD_CYCLE 64

/* splitmix64's finaliser: each input bit changes about half of the output bits. */
static inline __u64 nf_mix(__u64 z)
{
	z += 0x9e3779b97f4a7c15ull;
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}

/* Length in bytes of record @number: a multiple of 8, shortest to longest. */
static inline __u64 nf_record_length(__u64 seed, __u64 number)
{
	__u64 steps = (NF_RECORD_LONGEST - NF_RECORD_SHORTEST) / 8 + 1;

	return NF_RECORD_SHORTEST + 8 * (nf_mix(seed ^ nf_mix(number)) % steps);
}

/* 64-bit word @i of record @number, stored in the machine's byte order. */
static inline __u64 nf_record_word(__u64 seed, __u64 number, __u32 i)
{
	return nf_mix(seed + nf_mix(number * 1024 + i));
}

#endif /* NF_RECORD_H */
