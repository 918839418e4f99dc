/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NF_EXPORT_H
#define NF_EXPORT_H

struct nf_buffer;

/* Makes /proc/nf_addr. 0, or -ENOMEM. */
int nf_export_create(struct nf_buffer *buffer);
void nf_export_remove(void);

/* Makes the article's two formats beside it: /proc/nf_addr_9chars and /proc/nf_addr_u32. */
int nf_legacy_export_create(struct nf_buffer *buffer);
void nf_legacy_export_remove(void);

#endif /* NF_EXPORT_H */
