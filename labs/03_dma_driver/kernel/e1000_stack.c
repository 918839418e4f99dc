// SPDX-License-Identifier: GPL-2.0-only
/*
 * What lies behind the receive descriptors while the network stack gets the packets: pages of a page
 * pool, which become socket buffers without a copy and come back when the stack has freed them. And
 * what happens to a packet that finds the other kind of buffer than its mode would post: it is
 * copied (docs/design/ring_page.rst, "Two kinds of buffers"). All under rx.lock, or while the chip
 * is stopped.
 */
#include <linux/etherdevice.h>

#include "e1000.h"

/* Before the packet in a page; the IP header behind 14 bytes of Ethernet is aligned. */
#define E1000_HEADROOM (NET_SKB_PAD + NET_IP_ALIGN)

/* Where in a page-pool page the chip writes, as the chip names it. */
dma_addr_t e1000_page_dma(struct page *page)
{
	return page_pool_get_dma_addr(page) + E1000_HEADROOM;
}

static unsigned int e1000_page_bytes(const struct e1000_rx *rx)
{
	return PAGE_SIZE << rx->order;
}

/*
 * An empty slot gets what the mode asks for: a page, or a buffer of the program's pool. Should the
 * pool have none left (the ring was made larger meanwhile), a page will do: what arrives in it is
 * copied.
 */
bool e1000_rx_fill(struct e1000 *e, struct e1000_rx_slot *slot, gfp_t gfp)
{
	slot->page = NULL;
	slot->buffer = ZCL_NO_BUFFER;
	if (e->mode != ZCL_MODE_STACK)
		slot->buffer = zcl_port_take(&e->port);
	if (slot->buffer == ZCL_NO_BUFFER)
		slot->page = page_pool_alloc_pages(e->rx.pages, gfp | __GFP_NOWARN);
	return slot->page || slot->buffer != ZCL_NO_BUFFER;
}

/* The other way round. */
void e1000_rx_empty(struct e1000 *e, struct e1000_rx_slot *slot)
{
	if (slot->page)
		page_pool_put_full_page(e->rx.pages, slot->page, false);
	else if (slot->buffer != ZCL_NO_BUFFER)
		zcl_port_give(&e->port, slot->buffer);
	slot->page = NULL;
	slot->buffer = ZCL_NO_BUFFER;
}

struct page_pool *e1000_create_pages(struct e1000 *e)
{
	struct page_pool_params params = {
		.flags = PP_FLAG_DMA_MAP | PP_FLAG_DMA_SYNC_DEV,
		.pool_size = e->rx_slots,
		.nid = dev_to_node(&e->pdev->dev),
		.dev = &e->pdev->dev,
		.dma_dir = DMA_FROM_DEVICE,
		.offset = E1000_HEADROOM,
		.max_len = e->rx.buffer_bytes,
	};

	e->rx.order = get_order(E1000_HEADROOM + e->rx.buffer_bytes +
				SKB_DATA_ALIGN(sizeof(struct skb_shared_info)));
	params.order = e->rx.order;
	return page_pool_create(&params);
}

/*
 * Takes a received buffer's content out of its slot as a page, and refills the slot. What takes the
 * buffer's place must be there first: without it the packet is dropped and its buffer posted again,
 * so that the ring never has a hole and reception never stops; the next packet is the retry.
 */
static struct page *e1000_rx_take_page(struct e1000 *e, struct e1000_rx_slot *slot, u32 length)
{
	struct e1000_rx *rx = &e->rx;
	struct e1000_rx_slot fresh;
	struct page *page;

	if (slot->page) {
		if (!e1000_rx_fill(e, &fresh, GFP_ATOMIC))
			return NULL;
		page = slot->page;
		dma_sync_single_range_for_cpu(&e->pdev->dev, page_pool_get_dma_addr(page),
					      E1000_HEADROOM, length, DMA_FROM_DEVICE);
		*slot = fresh;
		return page;
	}

	/* The pool's memory stays the program's, and the stack gets a copy. */
	page = page_pool_alloc_pages(rx->pages, GFP_ATOMIC | __GFP_NOWARN);
	if (!page)
		return NULL;
	memcpy(page_address(page) + E1000_HEADROOM,
	       zcl_port_arrived(&e->port, slot->buffer, length), length);
	zcl_port_give(&e->port, slot->buffer);
	if (!e1000_rx_fill(e, slot, GFP_ATOMIC))
		slot->buffer = zcl_port_take(&e->port);	/* the one just given */
	return page;
}

/* Adds a received page to the packet that is being put together. */
static bool e1000_rx_add(struct e1000 *e, struct page *page, u32 length)
{
	struct e1000_rx *rx = &e->rx;
	unsigned int bytes = e1000_page_bytes(rx);

	if (rx->skb) {
		skb_add_rx_frag(rx->skb, skb_shinfo(rx->skb)->nr_frags, page, E1000_HEADROOM,
				length, bytes);
		return true;
	}
	rx->skb = napi_build_skb(page_address(page), bytes);
	if (!rx->skb) {
		page_pool_put_full_page(rx->pages, page, false);
		return false;
	}
	skb_reserve(rx->skb, E1000_HEADROOM);
	skb_put(rx->skb, length);
	skb_mark_for_recycle(rx->skb);
	return true;
}

void e1000_rx_drop(struct e1000_rx *rx)
{
	kfree_skb(rx->skb);
	rx->skb = NULL;
}

/* One buffer of a packet that goes to the network stack. */
void e1000_rx_to_stack(struct e1000 *e, const struct e1000_received *received,
		       struct sk_buff_head *stack)
{
	struct e1000_rx *rx = &e->rx;
	struct e1000_rx_slot *slot = &rx->slots[received->index];
	struct page *page;

	if (received->first)
		rx->dropping = false;
	if (!rx->dropping) {
		page = e1000_rx_take_page(e, slot, received->length);
		if (!page || !e1000_rx_add(e, page, received->length)) {
			rx->dropping = true;
			rx->no_memory++;
			e1000_rx_drop(rx);
		}
	}
	if (!e1000_is_last(received) || !rx->skb)
		return;
	if (e1000_checksum_flag(received->status) && e->netdev->features & NETIF_F_RXCSUM)
		rx->skb->ip_summed = CHECKSUM_UNNECESSARY;
	rx->skb->protocol = eth_type_trans(rx->skb, e->netdev);
	__skb_queue_tail(stack, rx->skb);
	rx->skb = NULL;
}

/* A page that was posted in stack mode arrives for the ring: copied, and replaced by the pool's. */
void e1000_rx_copy_to_ring(struct e1000 *e, const struct e1000_received *received)
{
	struct e1000_rx_slot *slot = &e->rx.slots[received->index];
	const void *data = page_address(slot->page) + E1000_HEADROOM;
	struct e1000_rx_slot fresh;

	dma_sync_single_range_for_cpu(&e->pdev->dev, page_pool_get_dma_addr(slot->page),
				      E1000_HEADROOM, received->length, DMA_FROM_DEVICE);
	zcl_port_receive_copy(&e->port, data, received->length, e1000_rx_flags(received),
			      received->first ? zcl_packet_type(data) : ZCL_PACKET_OTHER);
	if (!e1000_rx_fill(e, &fresh, GFP_ATOMIC))
		return;
	e1000_rx_empty(e, slot);
	*slot = fresh;
}

/* Where a packet goes, by its first buffer. */
bool e1000_rx_verdict(struct e1000 *e, const struct e1000_received *received)
{
	const struct e1000_rx_slot *slot = &e->rx.slots[received->index];
	const u32 length = received->length;
	const void *data;

	if (e->mode != ZCL_MODE_SPLIT)
		return e->mode == ZCL_MODE_RING;
	if (slot->page) {
		data = page_address(slot->page) + E1000_HEADROOM;
		dma_sync_single_range_for_cpu(&e->pdev->dev, page_pool_get_dma_addr(slot->page),
					      E1000_HEADROOM, length, DMA_FROM_DEVICE);
	} else {
		data = zcl_port_arrived(&e->port, slot->buffer, length);
	}
	return zcl_port_wants(&e->port, data, length);
}

