/* SPDX-License-Identifier: GPL-2.0-only */
/* Where the page pool's declarations stand, as compat.h. */
#ifndef ZCL_COMPAT_PAGE_POOL_H
#define ZCL_COMPAT_PAGE_POOL_H

#include <linux/version.h>

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 6, 0)
#include <net/page_pool/helpers.h>
#else
#include <net/page_pool.h>
#endif

#endif
