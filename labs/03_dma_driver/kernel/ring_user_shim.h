/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * What ring_queue.h uses of the kernel, for a program: the queue's code runs unchanged as a thread
 * under ThreadSanitizer (harness/tests/ring), which knows the __atomic builtins. On x86-64 they
 * become the same instructions as the kernel's macros.
 */
#ifndef RING_USER_SHIM_H
#define RING_USER_SHIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef u64 dma_addr_t;
#define U32_MAX UINT32_MAX

#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

#define READ_ONCE(x) __atomic_load_n(&(x), __ATOMIC_RELAXED)
#define WRITE_ONCE(x, value) __atomic_store_n(&(x), (value), __ATOMIC_RELAXED)
#define smp_load_acquire(p) __atomic_load_n((p), __ATOMIC_ACQUIRE)
#ifdef ZCL_PLAIN_RELEASE	/* the mistake that the stress test must catch */
#define smp_store_release(p, value) (*(p) = (value))
#else
#define smp_store_release(p, value) __atomic_store_n((p), (value), __ATOMIC_RELEASE)
#endif

#endif
