/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NF_DEVICE_H
#define NF_DEVICE_H

#include <linux/netdevice.h>
#include <linux/spinlock.h>

#include "buffer.h"
#include "ring.h"

enum nf_ring_kind {
	NF_RING_NONE,		/* the buffer alone */
	NF_RING_CORRECTED,
	NF_RING_LEGACY,
};

/* Capture of received frames on one network interface (tap.c). */
struct nf_tap {
	struct packet_type handler;
	struct notifier_block notifier;
	struct net_device *dev;		/* held while the handler is registered, else NULL */
	bool as_article;		/* take skb->data as the frame's begin */
	u64 frames;
};

/* Addresses that are not what they look like (translate.c). */
struct nf_translate {
	void *vmalloc_page;
	struct pci_dev *pci;		/* held while dma is mapped, else NULL */
	dma_addr_t dma;			/* block 0's first page as @pci sees it */
};

/* What hand_over.c saw of socket buffers that were given to the stack. */
struct nf_hand_over {
	u32 sent;
	u32 freed_after_netif_receive_skb;
	u32 freed_after_netif_rx;
	u32 freed_after_queueing;	/* netif_rx with softirqs off, as in an interrupt handler */
	u32 freed_after_softirq;	/* the same ones, once softirqs ran */
	u32 pulled_bytes;		/* how far skb->data is from the frame's first byte */
};

/* All that one loaded module is. */
struct nf_device {
	struct nf_buffer buffer;
	enum nf_ring_kind kind;
	spinlock_t lock;		/* makes the tap and the control file one writer */
	struct nf_ring ring;
	struct nf_legacy_ring legacy;
	u8 scratch[NF_RING_SLOT_BYTES];	/* under lock: a frame that is in pieces */
	struct nf_tap tap;
	struct nf_translate translate;
	struct nf_hand_over hand_over;
};

/* Writes a record to whichever ring there is. -ENXIO where there is none. */
int nf_device_write(struct nf_device *device, const void *data, size_t length);
/* Writes a received frame whose first byte is @before bytes before skb->data. */
int nf_device_write_skb(struct nf_device *device, const struct sk_buff *skb, unsigned int before);

/* Starts capturing on interface @name. -ENODEV where there is none of that name. */
int nf_tap_start(struct nf_tap *tap, const char *name, bool as_article);
void nf_tap_stop(struct nf_tap *tap);

/* Allocates and maps what nf_translate_show() speaks about; fills the vmalloc page with @mark. */
int nf_translate_start(struct nf_device *device, const u8 mark[16]);
void nf_translate_stop(struct nf_device *device);
struct seq_file;
void nf_translate_show(const struct nf_device *device, struct seq_file *file);

/* Gives @count socket buffers to the stack by each way and looks which are gone on return. */
int nf_hand_over_run(struct nf_device *device, u32 count);

/* Stores a payload word and its length over and over, until a signal comes (store_order.c). */
int nf_store_order_run(struct nf_device *device, bool release);

/* /proc/nf_lab (control.c). */
int nf_control_create(struct nf_device *device);
void nf_control_remove(void);

#endif /* NF_DEVICE_H */
