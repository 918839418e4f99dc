// SPDX-License-Identifier: GPL-2.0-only
/*
 * Driver for Intel's 82540EM, QEMU's "e1000": the chip and its netdev.
 *
 * What it does: one receive and one transmit ring, NAPI, frames up to the chip's limit over several
 * buffers, scatter-gather and checksum offload. The receive ring holds pages of the kernel or, while
 * a program has set up a ring (zcl_port.h), buffers of that program's pool: the chip then writes
 * packets where the program reads them.
 *
 * What it does not: TCP segmentation, VLAN offload, wake on LAN, flow control, message-signalled
 * interrupts, other chips of the family.
 *
 * In this order: chip, receive ring, receiving, transmitting, interrupts, open and stop, probe. SDM
 * is the chip's manual, see e1000_regs.h.
 */
#include <linux/bitfield.h>
#include <linux/etherdevice.h>
#include <linux/iopoll.h>
#include <linux/module.h>
#include <linux/rtnetlink.h>

#include "e1000.h"

const char e1000_driver_name[] = "zcl_e1000";

#define E1000_DEFAULT_SLOTS 256
/* At most: context, linear part, fragments. */
#define E1000_TX_NEEDED (MAX_SKB_FRAGS + 2)

/* ---------------------------------------------------------------- chip */

/* Stops the chip, whatever it was doing, and forgets all settings (SDM 14.3). */
static int e1000_reset(struct e1000 *e)
{
	/* ZCL-BEGIN chip: reset
	 * Mask all interrupts (IMC), stop receiver and transmitter (RCTL, TCTL), set
	 * E1000_CTRL_RESET and wait until the chip has cleared it: at most a second, since a chip
	 * that was unplugged reads as all ones for ever (-EIO). A reset may set the mask's causes
	 * again, so mask once more and read ICR to clear what is pending. Remember in e->rctl what
	 * RCTL holds.
	 * > return -EIO;
	 */
	u32 ctrl;
	int err;

	e1000_write(e, E1000_IMC, U32_MAX);
	e1000_write(e, E1000_RCTL, 0);
	e1000_write(e, E1000_TCTL, 0);
	e->rctl = 0;
	e1000_read(e, E1000_STATUS);	/* the writes have arrived */
	usleep_range(10000, 11000);	/* what the chip has begun, it finishes (SDM 14.3) */

	e1000_write(e, E1000_CTRL, e1000_read(e, E1000_CTRL) | E1000_CTRL_RESET);
	err = read_poll_timeout(e1000_read, ctrl, !(ctrl & E1000_CTRL_RESET), 1000, 1000000, true,
				e, E1000_CTRL);
	if (err)
		return -EIO;
	e1000_write(e, E1000_IMC, U32_MAX);
	e1000_read(e, E1000_ICR);
	return 0;
	/* ZCL-END chip */
}

/* One word of the EEPROM (SDM 5.3.1, 13.4.4). Negative: error. */
static int e1000_read_eeprom(struct e1000 *e, unsigned int word)
{
	/* ZCL-BEGIN chip: read the EEPROM
	 * Write address and E1000_EERD_START to EERD, wait for E1000_EERD_DONE (at most 10 ms), and
	 * take the data out of the value read. FIELD_PREP() and FIELD_GET() know the fields' places.
	 * > return -EIO;
	 */
	u32 eerd;
	int err;

	e1000_write(e, E1000_EERD, FIELD_PREP(E1000_EERD_ADDRESS, word) | E1000_EERD_START);
	err = read_poll_timeout(e1000_read, eerd, eerd & E1000_EERD_DONE, 10, 10000, false, e,
				E1000_EERD);
	if (err || eerd == U32_MAX)
		return -EIO;
	return FIELD_GET(E1000_EERD_DATA, eerd);
	/* ZCL-END chip */
}

/* The station address: EEPROM words 0 to 2, the low byte first (SDM 5.6.1). */
static int e1000_read_address(struct e1000 *e, u8 *address)
{
	/* ZCL-BEGIN chip: the MAC address
	 * Three words of the EEPROM, two bytes each. Pass errors on.
	 * > return e1000_read_eeprom(e, 0);
	 */
	int i, word;

	for (i = 0; i < ETH_ALEN / 2; i++) {
		word = e1000_read_eeprom(e, i);
		if (word < 0)
			return word;
		address[2 * i] = word & 0xff;
		address[2 * i + 1] = word >> 8;
	}
	return 0;
	/* ZCL-END chip */
}

/* Which unicast address the receiver lets through (SDM 13.5.2). */
void e1000_write_address(struct e1000 *e, const u8 *address)
{
	/* ZCL-BEGIN chip: the address filter
	 * RAL takes the first four bytes, the first of them lowest; RAH the other two, with
	 * E1000_RAH_VALID.
	 */
	e1000_write(e, E1000_RAL, address[0] | address[1] << 8 | address[2] << 16 |
				  (u32)address[3] << 24);
	e1000_write(e, E1000_RAH, address[4] | address[5] << 8 | E1000_RAH_VALID);
	/* ZCL-END chip */
}

/* Takes the link's state over. Any context. */
static void e1000_update_carrier(struct e1000 *e)
{
	u32 status = e1000_read(e, E1000_STATUS);

	if (status != U32_MAX && status & E1000_STATUS_LINK_UP)
		netif_carrier_on(e->netdev);
	else
		netif_carrier_off(e->netdev);
}

/* ---------------------------------------------------------------- receive ring */

/* Writes the descriptor of a filled slot; the chip gets it with the next write of the tail. */
static void e1000_rx_post(struct e1000 *e, u32 index)
{
	const struct e1000_rx_slot *slot = &e->rx.slots[index];
	struct e1000_rx_desc *desc = &e->rx.ring[index];

	/* ZCL-BEGIN rx_ring: write a descriptor
	 * The address is what the *chip* calls the buffer, little endian: e1000_page_dma() of a page,
	 * or zcl_port_dma() of a buffer of the pool where slot->page is NULL. A physical address
	 * would be the same on many machines, and another behind an IOMMU. Status is 0: not done.
	 * > (void)slot;
	 * > (void)desc;
	 */
	if (slot->page)
		desc->address = cpu_to_le64(e1000_page_dma(slot->page));
	else
		desc->address = cpu_to_le64(zcl_port_dma(&e->port, slot->buffer));
	desc->status = 0;
	/* ZCL-END rx_ring */
}

static void e1000_free_rx(struct e1000 *e)
{
	struct e1000_rx *rx = &e->rx;
	u32 i;

	for (i = 0; rx->slots && i <= rx->mask; i++)
		e1000_rx_empty(e, &rx->slots[i]);
	kvfree(rx->slots);
	rx->slots = NULL;
	if (rx->pages)
		page_pool_destroy(rx->pages);	/* what the stack still has comes back later */
	rx->pages = NULL;
	if (rx->ring)
		dma_free_coherent(&e->pdev->dev, (rx->mask + 1) * sizeof(*rx->ring), rx->ring,
				  rx->dma);
	rx->ring = NULL;
}

/* Ring memory and a buffer for every slot. The chip is stopped. */
static int e1000_alloc_rx(struct e1000 *e)
{
	/* ZCL-BEGIN rx_ring: memory for the ring
	 * rx->mask is e->rx_slots - 1. The ring is memory that chip and processor look at together:
	 * dma_alloc_coherent(), 16 bytes a descriptor. rx->slots is ours alone: kvcalloc(). Fill
	 * every slot with e1000_rx_fill(). On any failure e1000_free_rx() undoes what was done; it
	 * takes an all-zero slot for buffer 0 of the pool, so empty all slots first.
	 * > (void)e1000_create_pages;
	 * > (void)e1000_free_rx;
	 * > return -EOPNOTSUPP;
	 */
	struct e1000_rx *rx = &e->rx;
	struct page_pool *pages;
	u32 i;

	rx->mask = e->rx_slots - 1;
	rx->ring = dma_alloc_coherent(&e->pdev->dev, e->rx_slots * sizeof(*rx->ring), &rx->dma,
				      GFP_KERNEL);
	rx->slots = kvcalloc(e->rx_slots, sizeof(*rx->slots), GFP_KERNEL);
	for (i = 0; rx->slots && i <= rx->mask; i++)
		rx->slots[i].buffer = ZCL_NO_BUFFER;
	pages = e1000_create_pages(e);
	rx->pages = IS_ERR(pages) ? NULL : pages;
	if (!rx->ring || !rx->slots || !rx->pages)
		goto err_free;
	for (i = 0; i <= rx->mask; i++) {
		if (!e1000_rx_fill(e, &rx->slots[i], GFP_KERNEL))
			goto err_free;
	}
	return 0;

err_free:
	e1000_free_rx(e);
	return -ENOMEM;
	/* ZCL-END rx_ring */
}

/* Gives the filled ring to the chip (SDM 14.4). */
static void e1000_start_rx(struct e1000 *e)
{
	/* ZCL-BEGIN rx_ring: hand the ring to the chip
	 * Post every slot; rx->next is 0 and rx->inside false. Tell the chip the ring's address
	 * (RDBAL, RDBAH) and bytes (RDLEN), head 0, and the tail: the last slot, which so stays ours
	 * (struct e1000_rx says why). The receiver itself is switched on later.
	 * > (void)e1000_rx_post;
	 */
	struct e1000_rx *rx = &e->rx;
	u32 i;

	for (i = 0; i <= rx->mask; i++)
		e1000_rx_post(e, i);
	rx->next = 0;
	rx->inside = false;
	rx->to_ring = false;
	e1000_write(e, E1000_RDBAL, lower_32_bits(rx->dma));
	e1000_write(e, E1000_RDBAH, upper_32_bits(rx->dma));
	e1000_write(e, E1000_RDLEN, (rx->mask + 1) * sizeof(*rx->ring));
	e1000_write(e, E1000_RDH, 0);
	e1000_write(e, E1000_RDT, rx->mask);
	e1000_write(e, E1000_RDTR, 0);
	/* ZCL-END rx_ring */
}

/* ---------------------------------------------------------------- receiving */

/*
 * One buffer of the pool, for the ring: the exchange. No copy, no allocation; the buffer that the
 * program left in the slot of RxBuf takes the place of the one that it gets. Inline with @flags known,
 * so that for a whole packet in one buffer nothing asks which part of a packet this is.
 */
static __always_inline void e1000_rx_exchange(struct zcl_port *port, struct e1000_rx_slot *slot,
					      struct e1000_rx_desc *desc, u32 length, u8 flags)
{
	/* ZCL-BEGIN clean: give a received buffer to the ring
	 * zcl_port_arrived() gives its address and makes the chip's writes visible. Hand it over
	 * with zcl_port_receive(): type from zcl_packet_type() if it is the packet's first buffer
	 * (ZCL_START_OF_PACKET in flags), else ZCL_PACKET_OTHER. The answer is the buffer that goes
	 * into slot and descriptor instead: write its zcl_port_dma(), and status 0, or it counts as
	 * done again when the ring comes round.
	 */
	const void *data = zcl_port_arrived(port, slot->buffer, length);
	u8 type = flags & ZCL_START_OF_PACKET ? zcl_packet_type(data) : ZCL_PACKET_OTHER;

	slot->buffer = zcl_port_receive(port, slot->buffer, length, flags, type);
	desc->address = cpu_to_le64(zcl_port_dma(port, slot->buffer));
	desc->status = 0;
	/* ZCL-END clean */
}

/* Any received descriptor: for the stack, one of several of a packet, or while the mode changes. */
static noinline void e1000_rx_any(struct e1000 *e, u32 index, u32 length, u32 status,
				  struct sk_buff_head *stack)
{
	struct e1000_rx *rx = &e->rx;
	struct e1000_rx_slot *slot = &rx->slots[index];
	const struct e1000_received received = { index, length, status, !rx->inside };

	if (received.first)
		rx->to_ring = e1000_rx_verdict(e, &received);
	if (!rx->to_ring)
		e1000_rx_to_stack(e, &received, stack);
	else if (slot->page)
		e1000_rx_copy_to_ring(e, &received);
	else
		e1000_rx_exchange(&e->port, slot, &rx->ring[index], length,
				  e1000_rx_flags(&received));
	rx->inside = !e1000_is_last(&received);
	rx->to_ring = rx->to_ring && rx->inside;
	e1000_rx_post(e, index);
}

bool e1000_rx_waiting(const struct e1000 *e)
{
	const struct e1000_rx *rx = &e->rx;

	return READ_ONCE(rx->ring[rx->next].status) & cpu_to_le32(E1000_RXD_DONE);
}

/*
 * In ring mode, as long as whole packets in buffers of the pool come one after the other: what the
 * driver is there for, in a loop that does nothing else. Returns the next descriptor.
 */
static __always_inline u32 e1000_rx_run(struct e1000 *e, u32 next, int *budget, u64 *bytes)
{
	/* ZCL-BEGIN clean: packets for the ring
	 * From next on, while *budget lasts and the descriptor's status says E1000_RXD_DONE and
	 * E1000_RXD_END_OF_PACKET, and its slot has no page. Read the status once, and nothing else
	 * of descriptor or packet before a dma_rmb(): the chip writes the status last, and the
	 * processor must not read the rest earlier. e1000_rx_exchange() each with ZCL_WHOLE_PACKET
	 * and e1000_checksum_flag(), and count.
	 * > (void)e1000_rx_exchange;
	 */
	const u32 whole = E1000_RXD_DONE | E1000_RXD_END_OF_PACKET;
	struct zcl_port port = e->port;	/* a copy, that no store in the loop can change: in registers */
	struct e1000_rx *rx = &e->rx;
	int left = *budget;
	u64 sum = 0;

	for (; left; left--) {
		struct e1000_rx_desc *desc = &rx->ring[next];
		struct e1000_rx_slot *slot = &rx->slots[next];
		u32 status = le32_to_cpu(READ_ONCE(desc->status));
		u32 length;

		if ((status & whole) != whole || slot->page)
			break;
		dma_rmb();
		length = le16_to_cpu(desc->length);
		sum += length;
		if (likely(status & E1000_RXD_CHECKSUM_IGNORE))
			e1000_rx_exchange(&port, slot, desc, length, ZCL_WHOLE_PACKET);
		else
			e1000_rx_exchange(&port, slot, desc, length,
					  ZCL_WHOLE_PACKET | e1000_checksum_flag(status));
		next = (next + 1) & rx->mask;
	}
	*budget = left;
	*bytes += sum;
	/* ZCL-END clean */
	return next;
}

/*
 * One receive pass: takes up to @budget packets from the ring, refills their slots, and gives these
 * to the chip. Returns how many packets. A write to the tail is a trap on an emulated chip and some
 * hundred nanoseconds on a real one, so there is one a pass, and callers keep passes short enough
 * that the chip does not run dry meanwhile.
 */
int e1000_clean_rx(struct e1000 *e, struct sk_buff_head *stack, int budget)
{
	/* ZCL-BEGIN clean: the receive pass
	 * In ring mode, and not rx->inside a packet, e1000_rx_run() takes what it can. A descriptor
	 * that stopped it is not E1000_RXD_DONE, which ends the pass, or one for e1000_rx_any() (read
	 * status, dma_rmb(), length), and so on until the budget is used up. A packet counts at its
	 * end, when rx->inside is false.
	 * Then write the tail: the slot before rx->next, never rx->next itself, since with head ==
	 * tail the chip takes the ring for empty. Not at all if nothing was received.
	 * zcl_port_rx_begin() and _end() stand around all calls to the port. Count rx->packets and
	 * rx->bytes.
	 * > (void)e1000_rx_run;
	 * > (void)e1000_rx_any;
	 * > return 0;
	 */
	struct e1000_rx *rx = &e->rx;
	const bool port = e->mode != ZCL_MODE_STACK || rx->to_ring;
	u32 next = rx->next;
	int left = budget;
	u64 bytes = 0;

	if (port)
		zcl_port_rx_begin(&e->port);
	while (left) {
		u32 status, length;

		if (e->mode == ZCL_MODE_RING && !rx->inside) {
			next = e1000_rx_run(e, next, &left, &bytes);
			if (!left)
				break;
		}
		status = le32_to_cpu(READ_ONCE(rx->ring[next].status));
		if (!(status & E1000_RXD_DONE))
			break;
		dma_rmb();
		length = le16_to_cpu(rx->ring[next].length);
		e1000_rx_any(e, next, length, status, stack);
		left -= !rx->inside;
		bytes += length;
		next = (next + 1) & rx->mask;
	}
	if (port)
		zcl_port_rx_end(&e->port);
	if (next == rx->next)
		return 0;
	rx->next = next;
	rx->packets += budget - left;
	rx->bytes += bytes;
	e1000_write(e, E1000_RDT, (next - 1) & rx->mask);
	return budget - left;
	/* ZCL-END clean */
}

/* ---------------------------------------------------------------- transmitting */

static void e1000_free_tx(struct e1000 *e)
{
	struct e1000_tx *tx = &e->tx;

	kvfree(tx->slots);
	tx->slots = NULL;
	if (tx->ring)
		dma_free_coherent(&e->pdev->dev, (tx->mask + 1) * sizeof(*tx->ring), tx->ring,
				  tx->dma);
	tx->ring = NULL;
}

static int e1000_alloc_tx(struct e1000 *e)
{
	struct e1000_tx *tx = &e->tx;

	tx->mask = e->tx_slots - 1;
	tx->ring = dma_alloc_coherent(&e->pdev->dev, e->tx_slots * sizeof(*tx->ring), &tx->dma,
				      GFP_KERNEL);
	tx->slots = kvcalloc(e->tx_slots, sizeof(*tx->slots), GFP_KERNEL);
	if (tx->ring && tx->slots)
		return 0;
	e1000_free_tx(e);
	return -ENOMEM;
}

/* An empty ring for the chip (SDM 14.5). */
static void e1000_start_tx(struct e1000 *e)
{
	struct e1000_tx *tx = &e->tx;

	tx->use = 0;
	tx->clean = 0;
	tx->rung = 0;
	e1000_write(e, E1000_TDBAL, lower_32_bits(tx->dma));
	e1000_write(e, E1000_TDBAH, upper_32_bits(tx->dma));
	e1000_write(e, E1000_TDLEN, (tx->mask + 1) * sizeof(*tx->ring));
	e1000_write(e, E1000_TDH, 0);
	e1000_write(e, E1000_TDT, 0);
	e1000_write(e, E1000_TIDV, 0);
	e1000_write(e, E1000_TIPG, E1000_TIPG_COPPER);
	e1000_write(e, E1000_TCTL, E1000_TCTL_ENABLE | E1000_TCTL_PAD_SHORT |
				   E1000_TCTL_COLLISION_THRESHOLD |
				   E1000_TCTL_COLLISION_DISTANCE);
}

/* Lets go of one descriptor's memory. */
static void e1000_tx_release(struct e1000 *e, struct e1000_tx_slot *slot, int budget)
{
	struct device *dev = &e->pdev->dev;

	if (slot->kind == E1000_TX_HEAD)
		dma_unmap_single(dev, slot->dma, slot->length, DMA_TO_DEVICE);
	else if (slot->kind == E1000_TX_PAGE)
		dma_unmap_page(dev, slot->dma, slot->length, DMA_TO_DEVICE);
	if (!slot->skb)
		return;
	e->tx.skbs--;
	napi_consume_skb(slot->skb, budget);
	slot->skb = NULL;
}

/* The packet that begins at tx->clean is finished. Returns how many buffers of the pool it had. */
static u32 e1000_tx_finish(struct e1000 *e, int budget)
{
	struct e1000_tx *tx = &e->tx;
	u32 end = (tx->slots[tx->clean].last + 1) & tx->mask;
	u32 pool = 0;

	for (; tx->clean != end; tx->clean = (tx->clean + 1) & tx->mask) {
		struct e1000_tx_slot *slot = &tx->slots[tx->clean];

		if (slot->kind == E1000_TX_POOL)
			pool++;
		else
			e1000_tx_release(e, slot, budget);
	}
	return pool;
}

/* @count buffers of the pool are the program's again. */
static void e1000_tx_return(struct e1000 *e, u32 count)
{
	if (!count)
		return;
	e->tx.pool -= count;
	zcl_port_sent(&e->port, count);
}

/*
 * Frees what the chip has sent, oldest first. Only a packet's last descriptor has
 * E1000_TXD_REPORT, so it is the one to look at. (Reading TDH instead would be a slow register
 * access, and the manual warns of its value: SDM 3.4.)
 */
void e1000_clean_tx(struct e1000 *e, int budget)
{
	/* ZCL-BEGIN transmit: take back what was sent
	 * While there are packets (clean != use): slots[clean].last names the last descriptor of the
	 * oldest. Not E1000_TXD_DONE: stop. Else dma_rmb(), and e1000_tx_finish() moves clean behind
	 * it. Hand the buffers of the pool back once, with e1000_tx_return(). A queue that was
	 * stopped starts again when E1000_TX_NEEDED descriptors are free and the link is up.
	 * > (void)e1000_tx_finish;
	 * > (void)e1000_tx_return;
	 */
	struct e1000_tx *tx = &e->tx;
	u32 pool = 0;

	while (tx->clean != tx->use) {
		u32 last = tx->slots[tx->clean].last;

		if (!(READ_ONCE(tx->ring[last].status) & cpu_to_le32(E1000_TXD_DONE)))
			break;
		dma_rmb();
		pool += e1000_tx_finish(e, budget);
	}
	e1000_tx_return(e, pool);
	if (unlikely(netif_queue_stopped(e->netdev)) && e1000_tx_room(tx) >= E1000_TX_NEEDED &&
	    e->up)
		netif_wake_queue(e->netdev);
	/* ZCL-END transmit */
}

/* Everything in the ring is finished, sent or not: the chip is stopped. */
static void e1000_abandon_tx(struct e1000 *e)
{
	struct e1000_tx *tx = &e->tx;
	u32 pool = 0;

	__netif_tx_lock_bh(e1000_queue(e));
	while (tx->clean != tx->use)
		pool += e1000_tx_finish(e, 0);
	e1000_tx_return(e, pool);
	__netif_tx_unlock_bh(e1000_queue(e));
}

/* One doorbell for everything added since the last one. */
void e1000_ring_doorbell(struct e1000 *e)
{
	struct e1000_tx *tx = &e->tx;

	if (tx->rung == tx->use)
		return;
	tx->rung = tx->use;
	e1000_write(e, E1000_TDT, tx->use);
}

/* Fills the next descriptor. Returns its slot, for what has to be undone later. */
struct e1000_tx_slot *e1000_tx_put(struct e1000_tx *tx, enum e1000_tx_kind kind, u64 address,
				   u32 command, u32 status)
{
	struct e1000_tx_slot *slot = &tx->slots[tx->use];
	struct e1000_tx_desc *desc = &tx->ring[tx->use];

	slot->kind = kind;
	slot->skb = NULL;
	desc->address = cpu_to_le64(address);
	desc->command = cpu_to_le32(command);
	desc->status = cpu_to_le32(status);
	tx->use = (tx->use + 1) & tx->mask;
	return slot;
}

/* Tells the chip where to sum and where to store, for the data descriptors that follow (SDM 3.3.6). */
static void e1000_tx_context(struct e1000_tx *tx, const struct sk_buff *skb)
{
	u64 start = skb_checksum_start_offset(skb);
	u64 store = start + skb->csum_offset;

	e1000_tx_put(tx, E1000_TX_CONTEXT,
		     start << E1000_TXC_START_SHIFT | store << E1000_TXC_STORE_SHIFT,
		     E1000_TXD_EXTENDED, 0);
}

/* Maps the @part'th piece of the skb, 0 being the linear one, and fills its descriptor. */
static int e1000_tx_piece(struct e1000 *e, struct sk_buff *skb, int part, u32 command, u32 status)
{
	struct device *dev = &e->pdev->dev;
	struct e1000_tx_slot *slot;
	dma_addr_t dma;
	u32 length;

	if (!part) {
		length = skb_headlen(skb);
		dma = dma_map_single(dev, skb->data, length, DMA_TO_DEVICE);
	} else {
		const skb_frag_t *frag = &skb_shinfo(skb)->frags[part - 1];

		length = skb_frag_size(frag);
		dma = skb_frag_dma_map(dev, frag, 0, length, DMA_TO_DEVICE);
	}
	if (dma_mapping_error(dev, dma))
		return -ENOMEM;
	slot = e1000_tx_put(&e->tx, part ? E1000_TX_PAGE : E1000_TX_HEAD, dma, command | length,
			    status);
	slot->dma = dma;
	slot->length = length;
	return 0;
}

/* Forgets the descriptors from @first on, which the chip has not got yet. */
static void e1000_tx_undo(struct e1000 *e, u32 first)
{
	struct e1000_tx *tx = &e->tx;
	u32 i;

	for (i = first; i != tx->use; i = (i + 1) & tx->mask)
		e1000_tx_release(e, &tx->slots[i], 0);
	tx->use = first;
}

/*
 * Puts an skb into the ring: a context if the chip has to sum, then a descriptor for each piece of
 * memory, whose last one says where the packet ends and asks for a report. -ENOMEM: nothing was put.
 */
static int e1000_tx_skb(struct e1000 *e, struct sk_buff *skb)
{
	/* ZCL-BEGIN transmit: descriptors of a packet
	 * skb->ip_summed == CHECKSUM_PARTIAL: e1000_tx_context() first, and the pieces that follow
	 * are data descriptors (E1000_TXD_EXTENDED | E1000_TXD_DATA, status
	 * E1000_TXD_INSERT_CHECKSUM); else legacy ones. e1000_tx_piece() for part 0 and for each of
	 * skb_shinfo(skb)->nr_frags, with E1000_TXD_INSERT_CRC; the last one also
	 * E1000_TXD_END_OF_PACKET and E1000_TXD_REPORT. If a mapping fails, e1000_tx_undo().
	 * Where the packet begins and ends is e1000_clean_tx()'s business: slots[first].last, and
	 * the last slot's skb. Count tx->skbs.
	 * > (void)e1000_tx_context;
	 * > (void)e1000_tx_piece;
	 * > (void)e1000_tx_undo;
	 * > return -ENOMEM;
	 */
	struct e1000_tx *tx = &e->tx;
	u32 command = E1000_TXD_INSERT_CRC;
	int part, last = skb_shinfo(skb)->nr_frags;
	u32 first = tx->use, status = 0;

	if (skb->ip_summed == CHECKSUM_PARTIAL) {
		e1000_tx_context(tx, skb);
		command |= E1000_TXD_EXTENDED | E1000_TXD_DATA;
		status = E1000_TXD_INSERT_CHECKSUM;
	}
	for (part = 0; part <= last; part++) {
		if (part == last)
			command |= E1000_TXD_END_OF_PACKET | E1000_TXD_REPORT;
		if (e1000_tx_piece(e, skb, part, command, status)) {
			e1000_tx_undo(e, first);
			return -ENOMEM;
		}
	}
	tx->slots[first].last = (tx->use - 1) & tx->mask;
	tx->slots[tx->slots[first].last].skb = skb;
	tx->skbs++;
	return 0;
	/* ZCL-END transmit */
}

/* Lets the chip say when it has sent something, if a program's ring mode has that masked. */
static void e1000_want_tx_interrupt(struct e1000 *e)
{
	if (e1000_pulls(e))
		e1000_write(e, E1000_IMS, E1000_INT_TX_DONE);
}

/*
 * ndo_start_xmit, under the queue's lock. The stack does not call while the queue is stopped; the
 * program shares the ring, so there may be no room all the same.
 */
static netdev_tx_t e1000_xmit(struct sk_buff *skb, struct net_device *netdev)
{
	struct e1000 *e = netdev_priv(netdev);
	struct e1000_tx *tx = &e->tx;
	u32 length;

	e1000_clean_tx(e, 0);
	if (unlikely(e1000_tx_room(tx) < E1000_TX_NEEDED)) {
		netif_stop_queue(netdev);
		e1000_ring_doorbell(e);
		e1000_want_tx_interrupt(e);
		return NETDEV_TX_BUSY;
	}
	if (eth_skb_pad(skb))	/* with zeros; frees it on failure */
		goto dropped;
	length = skb->len;
	if (unlikely(length > E1000_MAX_FRAME) || e1000_tx_skb(e, skb)) {
		dev_kfree_skb_any(skb);
		goto dropped;
	}
	skb_tx_timestamp(skb);
	tx->packets++;
	tx->bytes += length;
	if (e1000_tx_room(tx) < E1000_TX_NEEDED)
		netif_stop_queue(netdev);	/* e1000_clean_tx() wakes it */
	if (!netdev_xmit_more() || netif_queue_stopped(netdev)) {
		e1000_ring_doorbell(e);
		e1000_want_tx_interrupt(e);
	}
	return NETDEV_TX_OK;

dropped:
	tx->dropped++;
	if (!netdev_xmit_more())
		e1000_ring_doorbell(e);
	return NETDEV_TX_OK;
}

/* ---------------------------------------------------------------- interrupts */

/*
 * Which causes may interrupt when NAPI has nothing more to do. While a program's calls take the
 * packets, its calls also switch interrupts; only the stack's own packets need to be reported.
 */
static void e1000_enable_interrupts(struct e1000 *e)
{
	u32 causes = E1000_INT_ALL;

	if (e1000_pulls(e)) {
		causes = E1000_INT_LINK;
		if (READ_ONCE(e->tx.skbs) || netif_queue_stopped(e->netdev))
			causes |= E1000_INT_TX_DONE;
	}
	e1000_write(e, E1000_IMS, causes);
}

/*
 * The line may be shared. Reading ICR clears all causes, masked ones too, so whoever reads it has to
 * see to all of them: a cause that was read and left is a packet that waits for the next one.
 */
static irqreturn_t e1000_interrupt(int irq, void *context)
{
	/* ZCL-BEGIN interrupt: the handler
	 * Read the causes. None, or all ones (unplugged): IRQ_NONE. E1000_INT_LINK:
	 * e1000_update_carrier(). Any other of E1000_INT_ALL: mask these (IMC), so that there is no
	 * further interrupt before somebody has looked, and then have somebody look. In ring mode
	 * that may be the program: zcl_port_interrupt() says whether it was woken. If not, or if
	 * packets of the stack are being sent (e->tx.skbs), napi_schedule().
	 * > (void)e1000_update_carrier;
	 * > return IRQ_NONE;
	 */
	struct e1000 *e = context;
	u32 causes = e1000_read(e, E1000_ICR);

	if (!causes || causes == U32_MAX)
		return IRQ_NONE;
	if (causes & E1000_INT_LINK)
		e1000_update_carrier(e);
	if (causes & (E1000_INT_RX_ANY | E1000_INT_TX_DONE)) {
		e1000_write(e, E1000_IMC, E1000_INT_RX_ANY | E1000_INT_TX_DONE);
		if (READ_ONCE(e->mode) != ZCL_MODE_RING || !zcl_port_interrupt(&e->port) ||
		    READ_ONCE(e->tx.skbs))
			napi_schedule(&e->napi);
	}
	return IRQ_HANDLED;
	/* ZCL-END interrupt */
}

/*
 * NAPI. A packet that comes after the last look at the ring and before the unmasking is not
 * forgotten: its cause is still in ICR, and IMS then raises the interrupt at once. Had another
 * interrupt on a shared line read ICR meanwhile, then e1000_interrupt() has called
 * napi_schedule(), which makes napi_complete_done() say no, or runs us again.
 */
static int e1000_poll(struct napi_struct *napi, int budget)
{
	/* ZCL-BEGIN interrupt: NAPI's turn
	 * e1000_clean_rx() under rx.lock; what it queued for the stack goes there with
	 * napi_gro_receive() after the unlock, oldest first. e1000_clean_tx() under __netif_tx_lock().
	 * With the whole budget used up, return it: NAPI calls again, and interrupts stay masked.
	 * Else napi_complete_done(), and if that says yes e1000_enable_interrupts(): in this order,
	 * since an interrupt before the completion would find NAPI still running and be lost.
	 * > napi_complete_done(napi, 0);
	 * > (void)e1000_enable_interrupts;
	 * > return 0;
	 */
	struct e1000 *e = container_of(napi, struct e1000, napi);
	struct sk_buff_head stack;
	struct sk_buff *skb;
	int packets;

	__skb_queue_head_init(&stack);
	spin_lock(&e->rx.lock);
	packets = e1000_clean_rx(e, &stack, budget);
	spin_unlock(&e->rx.lock);
	while ((skb = __skb_dequeue(&stack)))
		napi_gro_receive(napi, skb);

	__netif_tx_lock(e1000_queue(e), smp_processor_id());
	e1000_clean_tx(e, budget);
	__netif_tx_unlock(e1000_queue(e));

	if (packets < budget && napi_complete_done(napi, packets))
		e1000_enable_interrupts(e);
	return packets;
	/* ZCL-END interrupt */
}

void e1000_kick(struct e1000 *e)
{
	local_bh_disable();
	napi_schedule(&e->napi);
	local_bh_enable();	/* runs it */
}

/* ---------------------------------------------------------------- open and stop */

/* Whoever runs without rtnl looks at e->up under one of these locks. */
static void e1000_set_up(struct e1000 *e, bool up)
{
	netif_addr_lock_bh(e->netdev);
	spin_lock_bh(&e->rx.lock);
	__netif_tx_lock_bh(e1000_queue(e));
	e->up = up;
	__netif_tx_unlock_bh(e1000_queue(e));
	spin_unlock_bh(&e->rx.lock);
	netif_addr_unlock_bh(e->netdev);
}

/* The rings are there and filled. */
void e1000_start(struct e1000 *e)
{
	pci_set_master(e->pdev);
	e1000_write(e, E1000_CTRL, E1000_CTRL_FULL_DUPLEX | E1000_CTRL_ASDE |
				   E1000_CTRL_SET_LINK_UP);
	e1000_write_address(e, e->netdev->dev_addr);
	e1000_write_rxcsum(e, e->netdev->features);
	e1000_write(e, E1000_ITR, e->itr);
	e1000_start_tx(e);
	e1000_start_rx(e);
	e1000_set_up(e, true);
	netif_addr_lock_bh(e->netdev);
	e1000_set_rx_mode(e->netdev);	/* this switches the receiver on */
	netif_addr_unlock_bh(e->netdev);
	e1000_update_carrier(e);
	napi_enable(&e->napi);
	netif_wake_queue(e->netdev);	/* what the stack has kept meanwhile, too */
	e1000_kick(e);	/* it enables the interrupts */
}

void e1000_quiesce(struct e1000 *e)
{
	netif_tx_disable(e->netdev);
	napi_disable(&e->napi);
	e1000_set_up(e, false);
	e1000_read_counters(e);
	if (e1000_reset(e))
		pci_clear_master(e->pdev);	/* it may still want to write: not over the bus */
	synchronize_irq(e->pdev->irq);
	e1000_abandon_tx(e);
	e1000_rx_drop(&e->rx);
	netif_carrier_off(e->netdev);
}

static int e1000_open(struct net_device *netdev)
{
	struct e1000 *e = netdev_priv(netdev);
	int err;

	err = e1000_reset(e);
	if (err)
		return err;
	err = e1000_alloc_tx(e);
	if (err)
		return err;
	err = e1000_alloc_rx(e);
	if (err)
		goto err_free_tx;
	err = request_irq(e->pdev->irq, e1000_interrupt, IRQF_SHARED, netdev->name, e);
	if (err)
		goto err_free_rx;
	e1000_start(e);
	return 0;

err_free_rx:
	e1000_free_rx(e);
err_free_tx:
	e1000_free_tx(e);
	return err;
}

static int e1000_stop(struct net_device *netdev)
{
	struct e1000 *e = netdev_priv(netdev);

	if (!e->up)	/* e1000_reopen() could not make new rings */
		return 0;
	e1000_quiesce(e);
	free_irq(e->pdev->irq, e);
	e1000_free_rx(e);
	e1000_free_tx(e);
	return 0;
}

int e1000_reopen(struct e1000 *e, u32 rx_slots, u32 tx_slots, u32 buffer_bytes)
{
	const u32 old_rx = e->rx_slots, old_tx = e->tx_slots, old_bytes = e->rx.buffer_bytes;
	bool up = e->up;
	int err = 0;

	if (up)
		e1000_stop(e->netdev);
	e->rx_slots = rx_slots;
	e->tx_slots = tx_slots;
	e->rx.buffer_bytes = buffer_bytes;
	if (up)
		err = e1000_open(e->netdev);
	if (err) {
		e->rx_slots = old_rx;
		e->tx_slots = old_tx;
		e->rx.buffer_bytes = old_bytes;
		if (e1000_open(e->netdev)) {
			netdev_err(e->netdev, "no memory for its rings: it goes down\n");
			dev_close(e->netdev);
		}
	}
	e->port.chip_rx_slots = e->rx_slots;
	return err;
}

/* The transmitter hangs: begin anew. What was in the ring is lost. */
static void e1000_reset_work(struct work_struct *work)
{
	struct e1000 *e = container_of(work, struct e1000, reset_work);

	rtnl_lock();
	if (e->up) {
		e1000_quiesce(e);
		e1000_start(e);
	}
	rtnl_unlock();
}

static void e1000_tx_timeout(struct net_device *netdev, unsigned int queue)
{
	struct e1000 *e = netdev_priv(netdev);

	e->tx.timeouts++;
	schedule_work(&e->reset_work);
}

static const struct net_device_ops e1000_netdev_ops = {
	.ndo_open = e1000_open,
	.ndo_stop = e1000_stop,
	.ndo_start_xmit = e1000_xmit,
	.ndo_tx_timeout = e1000_tx_timeout,
	.ndo_set_rx_mode = e1000_set_rx_mode,
	.ndo_set_mac_address = e1000_set_mac_address,
	.ndo_validate_addr = eth_validate_addr,
	.ndo_set_features = e1000_set_features,
	.ndo_features_check = e1000_features_check,
	.ndo_get_stats64 = e1000_get_stats64,
};

/* ---------------------------------------------------------------- probe */

static void e1000_init_netdev(struct e1000 *e)
{
	struct net_device *netdev = e->netdev;

	netdev->netdev_ops = &e1000_netdev_ops;
	netdev->ethtool_ops = &e1000_ethtool_ops;
	netdev->priv_flags |= IFF_LIVE_ADDR_CHANGE;
	netdev->watchdog_timeo = 5 * HZ;
	netdev->max_mtu = E1000_MAX_FRAME - ETH_HLEN;
	netdev->hw_features = NETIF_F_SG | NETIF_F_HW_CSUM | NETIF_F_RXCSUM;
	netdev->features = netdev->hw_features | NETIF_F_HIGHDMA;
	netdev->vlan_features = NETIF_F_SG | NETIF_F_HW_CSUM;
	netif_napi_add(netdev, &e->napi, e1000_poll);
}

static int e1000_init_address(struct e1000 *e)
{
	u8 address[ETH_ALEN];
	int err = e1000_read_address(e, address);

	if (err)
		return err;
	if (is_valid_ether_addr(address))
		eth_hw_addr_set(e->netdev, address);
	else
		eth_hw_addr_random(e->netdev);
	return 0;
}

static struct e1000 *e1000_create(struct pci_dev *pdev)
{
	struct net_device *netdev = alloc_etherdev(sizeof(struct e1000));
	struct e1000 *e;

	if (!netdev)
		return NULL;
	SET_NETDEV_DEV(netdev, &pdev->dev);
	pci_set_drvdata(pdev, netdev);
	e = netdev_priv(netdev);
	e->netdev = netdev;
	e->pdev = pdev;
	e->rx_slots = E1000_DEFAULT_SLOTS;
	e->tx_slots = E1000_DEFAULT_SLOTS;
	e->rx.buffer_bytes = ZCL_BUFFER_2K;
	spin_lock_init(&e->rx.lock);
	spin_lock_init(&e->counter_lock);
	INIT_WORK(&e->reset_work, e1000_reset_work);
	e->port.ops = &e1000_port_ops;
	e->port.netdev = netdev;
	e->port.dma_device = &pdev->dev;
	e->port.max_packet = E1000_MAX_FRAME;
	e->port.chip_rx_slots = e->rx_slots;
	return e;
}

static int e1000_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	struct e1000 *e = e1000_create(pdev);
	int err;

	if (!e)
		return -ENOMEM;
	err = pci_enable_device(pdev);
	if (err)
		goto err_free_netdev;
	/* The chip's descriptors have 64-bit addresses, on any PCI bus (SDM 3.2.3). */
	err = dma_set_mask_and_coherent(&pdev->dev, DMA_BIT_MASK(64));
	if (err)
		goto err_disable;
	err = pci_request_regions(pdev, e1000_driver_name);
	if (err)
		goto err_disable;
	e->registers = pci_iomap(pdev, 0, 0);
	if (!e->registers) {
		err = -ENOMEM;
		goto err_release_regions;
	}
	err = e1000_reset(e);	/* before it is a bus master, in e1000_start(): it may be running */
	if (err)
		goto err_unmap;
	err = e1000_init_address(e);
	if (err)
		goto err_unmap;
	e1000_init_netdev(e);
	netif_carrier_off(e->netdev);
	err = register_netdev(e->netdev);
	if (err)
		goto err_unmap;
	err = zcl_port_register(&e->port);
	if (err)
		goto err_unregister;
	return 0;

err_unregister:
	unregister_netdev(e->netdev);
	cancel_work_sync(&e->reset_work);
err_unmap:
	pci_iounmap(pdev, e->registers);
err_release_regions:
	pci_release_regions(pdev);
err_disable:
	pci_disable_device(pdev);
err_free_netdev:
	free_netdev(e->netdev);
	return dev_err_probe(&pdev->dev, err, "cannot be used\n");
}

static void e1000_remove(struct pci_dev *pdev)
{
	struct e1000 *e = netdev_priv(pci_get_drvdata(pdev));

	zcl_port_unregister(&e->port);
	unregister_netdev(e->netdev);	/* stops it */
	cancel_work_sync(&e->reset_work);
	pci_clear_master(pdev);
	pci_iounmap(pdev, e->registers);
	pci_release_regions(pdev);
	pci_disable_device(pdev);
	free_netdev(e->netdev);
}

static const struct pci_device_id e1000_devices[] = {
	{ PCI_DEVICE(PCI_VENDOR_ID_INTEL, 0x100e) },	/* 82540EM */
	{ }
};
MODULE_DEVICE_TABLE(pci, e1000_devices);

static struct pci_driver e1000_driver = {
	.name = e1000_driver_name,
	.id_table = e1000_devices,
	.probe = e1000_probe,
	.remove = e1000_remove,
};
module_pci_driver(e1000_driver);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Zero-Copy Labs 03: 82540EM driver whose receive memory can be a program's");
