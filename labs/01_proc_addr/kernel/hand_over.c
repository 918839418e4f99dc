// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who owns a socket buffer after netif_rx()? (article row A5)
 *
 * The article read the buffer after it had handed it over. To show what that means without touching
 * freed memory, each buffer carries a destructor, which the stack calls when it frees the buffer.
 */
#include <linux/etherdevice.h>
#include <linux/netdevice.h>
#include <linux/skbuff.h>

#include "device.h"

/* IEEE 802's number for local experiments: no protocol claims it, so the stack drops the frame. */
#define NF_EXPERIMENT_PROTOCOL 0x88b5
#define NF_FRAME_BYTES 128

static void note_freed(struct sk_buff *skb)
{
	u32 *freed = skb_shinfo(skb)->destructor_arg;

	(*freed)++;
}

static struct sk_buff *make_skb(struct net_device *dev, u32 *freed, u32 *pulled)
{
	struct sk_buff *skb = netdev_alloc_skb_ip_align(dev, NF_FRAME_BYTES);
	struct ethhdr *header;
	u8 *frame;

	if (!skb)
		return NULL;
	frame = skb_put_zero(skb, NF_FRAME_BYTES);
	header = (struct ethhdr *)frame;
	ether_addr_copy(header->h_dest, dev->dev_addr);
	header->h_proto = htons(NF_EXPERIMENT_PROTOCOL);
	skb->protocol = eth_type_trans(skb, dev);
	*pulled = skb->data - frame;
	skb_shinfo(skb)->destructor_arg = freed;
	skb->destructor = note_freed;
	return skb;
}

int nf_hand_over_run(struct nf_device *device, u32 count)
{
	struct net_device *dev = device->tap.dev;
	struct nf_hand_over *seen = &device->hand_over;
	struct sk_buff *skb;
	u32 freed = 0, i;

	if (!dev)
		return -ENODEV;
	*seen = (struct nf_hand_over) { .sent = count };

	for (i = 0; i < count; i++) {
		freed = 0;
		skb = make_skb(dev, &freed, &seen->pulled_bytes);
		if (!skb)
			return -ENOMEM;
		local_bh_disable();
		netif_receive_skb(skb);
		seen->freed_after_netif_receive_skb += READ_ONCE(freed);
		local_bh_enable();

		freed = 0;
		skb = make_skb(dev, &freed, &seen->pulled_bytes);
		if (!skb)
			return -ENOMEM;
		netif_rx(skb);
		seen->freed_after_netif_rx += READ_ONCE(freed);

		freed = 0;
		skb = make_skb(dev, &freed, &seen->pulled_bytes);
		if (!skb)
			return -ENOMEM;
		local_bh_disable();
		netif_rx(skb);
		seen->freed_after_queueing += READ_ONCE(freed);
		local_bh_enable();
		seen->freed_after_softirq += READ_ONCE(freed);
	}
	return 0;
}
