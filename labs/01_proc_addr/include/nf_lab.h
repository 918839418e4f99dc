/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* Marks for the harness's instruction counts: tags of the work that is counted. */
#ifndef NF_LAB_H
#define NF_LAB_H

#define NF_MARK_BEGIN 0x0101
#define NF_MARK_END 0x0102

#endif /* NF_LAB_H */
