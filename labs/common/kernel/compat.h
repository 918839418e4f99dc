/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Differences between kernel versions, in one place. The code of the labs is written for the
 * newest spelling; what an older kernel (from 6.1 on) calls otherwise is translated here.
 */
#ifndef ZCL_COMPAT_H
#define ZCL_COMPAT_H

#include <linux/device.h>
#include <linux/eventfd.h>
#include <linux/gfp.h>
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/mmzone.h>
#include <linux/version.h>

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 4, 0)
#include <linux/hex.h>				/* before: in kernel.h */
#endif

/* The highest order that the page allocator serves: 10 on x86-64, a block of 4 MiB. */
#ifndef MAX_PAGE_ORDER				/* before 6.8 */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 4, 0)
#define MAX_PAGE_ORDER MAX_ORDER		/* inclusive since 6.4 */
#else
#define MAX_PAGE_ORDER (MAX_ORDER - 1)
#endif
#endif

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 3, 0)
static inline void vm_flags_set(struct vm_area_struct *vma, vm_flags_t flags)
{
	vma->vm_flags |= flags;
}

static inline void vm_flags_clear(struct vm_area_struct *vma, vm_flags_t flags)
{
	vma->vm_flags &= ~flags;
}
#endif

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 4, 0)
#define zcl_class_create(name) class_create(THIS_MODULE, name)
#else
#define zcl_class_create(name) class_create(name)
#endif

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 8, 0)
#define zcl_eventfd_signal(context) eventfd_signal(context, 1)
#else
#define zcl_eventfd_signal(context) eventfd_signal(context)
#endif

#endif /* ZCL_COMPAT_H */
