/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * The kernel's side of the two queues on the ring page (zcl_ring_abi.h): producer of RxQ, consumer
 * of TxQ. No chip, no locks, no allocation: a caller holds the lock of its direction. The program's
 * side is labs/common/user/ring.hh.
 *
 * Order. Each index has one writer. The two rules, for either queue:
 *
 *  1. The producer writes a slot, then stores head with release; the consumer loads head with
 *     acquire, then reads the slot. So whoever sees the new head sees the slot's new contents. With a
 *     plain store, compiler or processor may make head visible first, and the consumer reads the
 *     descriptor of a round ago.
 *  2. The consumer finishes with a slot (reads it, puts another buffer into it), then stores tail
 *     with release; the producer loads tail with acquire, then writes the slot. So the producer
 *     never writes what the consumer still reads, and it sees the buffer that the consumer left.
 *
 * The payload needs no rule of its own: the NIC's writes to the buffer are complete before the driver
 * sees the descriptor done (dma_rmb() there), which comes before rule 1's release.
 *
 * Trust. The program can write the whole page at any moment. Of the page the kernel reads RxQ.tail,
 * TxQ.head, and the slots' buffer, length and flags; each once (READ_ONCE: the compiler must not
 * look again after the check), into a local variable, checked, and only then used. Its own indices
 * stand in the structs below; what it writes to the page it never reads back.
 */
#ifndef RING_QUEUE_H
#define RING_QUEUE_H

#ifdef __KERNEL__
#include <asm/barrier.h>
#include <linux/compiler.h>
#include <linux/types.h>
#else
#include "ring_user_shim.h"
#endif

#include "zcl_ring_abi.h"

/* No buffer: where a function has none to give. */
#define ZCL_NO_BUFFER U32_MAX

/* Buffers that one packet to send may consist of. */
#define ZCL_MAX_FRAGMENTS 16u

#define ZCL_WHOLE_PACKET (ZCL_START_OF_PACKET | ZCL_END_OF_PACKET)

/*
 * What the kernel knows of a buffer of the pool. Who has it: the NIC's receive side, its transmit
 * side, or, when neither, the program. Two bytes, since the two directions run at the same time:
 * each writes its own and looks at the other's. A hostile program that offers one buffer to both at
 * the same moment may be believed by both: it then sends what it receives, from its own pool.
 */
union zcl_taken {
	struct {
		u8 receiving;
		u8 sending;
	} by;
	u16 any;
};

struct zcl_buffer {
	dma_addr_t dma;
	void *address;
	u32 index;		/* what the program calls it */
	union zcl_taken taken;
};

/*
 * What a driver calls it: a number that means nothing to it, so that finding a buffer that it hands
 * over or asks about takes no multiplication. ZCL_NO_BUFFER is none.
 */
static inline u32 zcl_buffer_handle(u32 index)
{
	return index * (u32)sizeof(struct zcl_buffer);
}

static inline struct zcl_buffer *zcl_buffer_at(struct zcl_buffer *buffers, u32 handle)
{
	void *buffer = (char *)buffers + handle;

	return (struct zcl_buffer *)buffer;
}

/* A piece of a packet to send. */
struct zcl_fragment {
	u32 buffer;
	u32 length;
	dma_addr_t dma;
};

struct zcl_rx_queue {
	struct zcl_queue *queue;	/* on the page */
	struct zcl_descriptor *slots;	/* on the page */
	struct zcl_buffer *buffers;
	u32 buffer_count;
	u32 mask;		/* slots - 1 */
	u32 packet;		/* behind the last whole packet: where the next one starts */
	u32 next;		/* behind the last fragment of the packet that is open */
	u32 limit;		/* tail + slots: no slot from here on is free */
	u32 tail;		/* the last good value that the program showed */
	u32 published;		/* head, as the program knows it */
	bool open;		/* a packet has begun, none of its fragments was dropped, more come */
	u64 now;		/* timestamp of the pass */
	/* struct zcl_stats explains these. */
	u64 packets;
	u64 bytes;
	u64 ring_full;
	u64 bad_tail;
	u64 bad_buffer;
};

struct zcl_tx_queue {
	struct zcl_queue *queue;	/* on the page */
	struct zcl_descriptor *slots;	/* on the page */
	struct zcl_buffer *buffers;
	u32 buffer_count;
	u32 buffer_bytes;
	u32 max_packet;		/* bytes */
	u32 mask;
	u32 head;		/* the last good value that the program showed */
	u32 next;		/* next slot to take */
	u32 tail;		/* next slot to return; those up to next are the NIC's */
	u32 *sent;		/* by slot: the buffer that the NIC has; ZCL_NO_BUFFER: refused */
	u64 packets;
	u64 bytes;
	u64 bad_head;
	u64 bad_slot;
};

/* Before a pass: which slots has the program returned? */
static inline void zcl_rxq_look(struct zcl_rx_queue *q)
{
	/* ZCL-BEGIN queue: which slots of RxBuf are free again
	 * Load RxQ.tail once, with acquire (rule 2 at the head of this file). It may have moved
	 * forward from q->tail, at most to q->packet; indices wrap at 32 bits, so compare distances,
	 * not values. A value outside is not believed: count q->bad_tail and keep the old one.
	 * Slots from q->limit on are not free: that is one round behind tail.
	 */
	u32 tail = smp_load_acquire(&q->queue->tail);

	if (likely(tail - q->tail <= q->packet - q->tail))
		q->tail = tail;
	else
		q->bad_tail++;
	q->limit = q->tail + q->mask + 1;
	/* ZCL-END queue */
}

/*
 * Where the next fragment goes: the index of a free slot. False when it has to be dropped. A packet
 * is dropped as a whole: its first fragments go by starting the next packet where it started.
 * Nothing is lost with them, since every slot holds a buffer, whichever it is.
 */
static inline bool zcl_rxq_place(struct zcl_rx_queue *q, u8 flags, u32 *index)
{
	if (likely(flags & ZCL_START_OF_PACKET))
		*index = q->packet;
	else if (q->open)
		*index = q->next;
	else
		return false;
	q->open = !(flags & ZCL_END_OF_PACKET);
	if (likely(*index != q->limit))
		return true;
	q->ring_full++;
	q->open = false;
	return false;
}

static inline struct zcl_descriptor *zcl_rxq_slot(const struct zcl_rx_queue *q, u32 index)
{
	return &q->slots[index & q->mask];
}

/*
 * The handle of the buffer that the program left in a free slot, or ZCL_NO_BUFFER when it was not
 * its to give.
 */
static inline u32 zcl_rxq_spare(struct zcl_rx_queue *q, const struct zcl_descriptor *slot)
{
	u32 buffer = READ_ONCE(slot->buffer);
	u32 handle = zcl_buffer_handle(buffer);

	if (likely(buffer < q->buffer_count) &&
	    likely(!READ_ONCE(zcl_buffer_at(q->buffers, handle)->taken.any)))
		return handle;
	q->bad_buffer++;
	q->open = false;
	return ZCL_NO_BUFFER;
}

/* Describes a fragment in the slot at @index. Nobody sees it before zcl_rxq_publish(). */
static inline void zcl_rxq_fill(struct zcl_rx_queue *q, struct zcl_descriptor *slot, u32 index,
				u32 buffer, u32 length, u8 flags, u8 type)
{
	slot->buffer = buffer;
	slot->length = (u16)length;
	slot->flags = flags;
	slot->type = type;
	slot->timestamp = q->now;
	q->bytes += length;
	if (likely(flags & ZCL_END_OF_PACKET)) {
		q->packet = index + 1;
		q->packets++;
	} else {
		q->next = index + 1;
	}
}

/*
 * One received fragment: the exchange. @handle: the buffer that it is in. Returns the handle of the
 * one that takes its place in the NIC's ring: @handle itself when the fragment had to be dropped.
 */
static inline u32 zcl_rxq_put(struct zcl_rx_queue *q, u32 handle, u32 length, u8 flags, u8 type)
{
	/* ZCL-BEGIN queue: exchange a received buffer for a free one
	 * zcl_rxq_place() finds the index, zcl_rxq_slot() its slot; zcl_rxq_spare() reads and checks
	 * the buffer in it. Where there is none, the packet is dropped: return @handle. Else the spare
	 * buffer becomes the receive side's and the received one the program's
	 * (zcl_buffer_at()->taken.by.receiving; WRITE_ONCE, since the transmit side looks), and
	 * zcl_rxq_fill() describes the packet. Return the spare one's handle.
	 * > return handle;
	 */
	struct zcl_buffer *received = zcl_buffer_at(q->buffers, handle);
	struct zcl_descriptor *slot;
	u32 index, spare;

	if (unlikely(!zcl_rxq_place(q, flags, &index)))
		return handle;
	slot = zcl_rxq_slot(q, index);
	spare = zcl_rxq_spare(q, slot);
	if (unlikely(spare == ZCL_NO_BUFFER))
		return handle;
	WRITE_ONCE(zcl_buffer_at(q->buffers, spare)->taken.by.receiving, 1);
	WRITE_ONCE(received->taken.by.receiving, 0);
	zcl_rxq_fill(q, slot, index, received->index, length, flags, type);
	return spare;
	/* ZCL-END queue */
}

/* After a pass: the program may see what is whole. Returns whether there is anything new. */
static inline bool zcl_rxq_publish(struct zcl_rx_queue *q)
{
	/* ZCL-BEGIN queue: publish what was received
	 * If q->packet is not what the program knows (q->published): store it to RxQ.head with
	 * release (rule 1), once for the whole pass, and remember it.
	 * > return false;
	 */
	if (q->packet == q->published)
		return false;
	smp_store_release(&q->published, q->packet);
	smp_store_release(&q->queue->head, q->packet);
	return true;
	/* ZCL-END queue */
}

/* Before taking packets: how far has the program filled TxBuf? */
static inline void zcl_txq_look(struct zcl_tx_queue *q)
{
	/* ZCL-BEGIN queue: what the program wants to send
	 * Load TxQ.head once, with acquire (rule 1). It lies between q->next and one round behind
	 * q->tail. Else: count q->bad_head and keep q->head.
	 */
	u32 head = smp_load_acquire(&q->queue->head);

	if (likely(head - q->next <= q->mask + 1 - (q->next - q->tail)))
		q->head = head;
	else
		q->bad_head++;
	/* ZCL-END queue */
}

/* Undoes what zcl_txq_take() has claimed. */
static inline void zcl_txq_cancel(struct zcl_tx_queue *q, const struct zcl_fragment *fragments,
				  u32 count)
{
	while (count--)
		WRITE_ONCE(q->buffers[fragments[count].buffer].taken.by.sending, 0);
}

/* The next @count slots are not sent: the program finds ZCL_FAILED in them. */
static inline void zcl_txq_refuse(struct zcl_tx_queue *q, u32 count)
{
	q->bad_slot++;
	for (; count; count--, q->next++) {
		WRITE_ONCE(q->slots[q->next & q->mask].flags, ZCL_FAILED);
		q->sent[q->next & q->mask] = ZCL_NO_BUFFER;
	}
}

/* Reads and checks one slot of TxBuf, and claims its buffer. */
static inline bool zcl_txq_claim(struct zcl_tx_queue *q, const struct zcl_descriptor *slot,
				 struct zcl_fragment *fragment)
{
	u32 buffer = READ_ONCE(slot->buffer);
	u32 length = READ_ONCE(slot->length);

	if (buffer >= q->buffer_count || READ_ONCE(q->buffers[buffer].taken.any))
		return false;
	if (!length || length > q->buffer_bytes)
		return false;
	WRITE_ONCE(q->buffers[buffer].taken.by.sending, 1);
	fragment->buffer = buffer;
	fragment->length = length;
	fragment->dma = q->buffers[buffer].dma;
	return true;
}

/*
 * The next packet to send: the number of @fragments filled in (room for ZCL_MAX_FRAGMENTS), whose
 * buffers are claimed; zcl_txq_commit() or zcl_txq_cancel() must follow. 0: no whole packet there.
 * -1: it was wrong and is refused; there may be another.
 */
static inline int zcl_txq_take(struct zcl_tx_queue *q, struct zcl_fragment *fragments)
{
	/* ZCL-BEGIN queue: take one packet out of TxBuf
	 * Go from q->next towards q->head, slot by slot, to the one with ZCL_END_OF_PACKET. Read
	 * each slot's flags once; zcl_txq_claim() does the same for buffer and length. Wrong are: a
	 * slot that zcl_txq_claim() refuses, ZCL_START_OF_PACKET missing on the first slot or set on
	 * another, more than ZCL_MAX_FRAGMENTS slots, more than q->max_packet bytes. Of a wrong
	 * packet nothing is sent: cancel what was claimed, refuse all its slots, return -1. Without
	 * an end before q->head it is not whole yet: cancel and return 0, unless it was wrong already
	 * or fills the whole ring, since then it never becomes good.
	 * > return 0;
	 */
	u32 slots = 0, claimed = 0, bytes = 0;
	bool good = true, whole = false;

	while (!whole && q->next + slots != q->head) {
		const struct zcl_descriptor *slot = &q->slots[(q->next + slots) & q->mask];
		u8 flags = READ_ONCE(slot->flags);
		bool start = flags & ZCL_START_OF_PACKET;

		if (start != !slots || claimed == ZCL_MAX_FRAGMENTS)
			good = false;
		if (good && zcl_txq_claim(q, slot, &fragments[claimed]))
			bytes += fragments[claimed++].length;
		else
			good = false;
		whole = flags & ZCL_END_OF_PACKET;
		slots++;
	}
	if (likely(good && whole && bytes <= q->max_packet))
		return (int)slots;
	zcl_txq_cancel(q, fragments, claimed);
	if (good && !whole && slots <= q->mask)
		return 0;
	zcl_txq_refuse(q, slots);
	return -1;
	/* ZCL-END queue */
}

/* The NIC has the packet. */
static inline void zcl_txq_commit(struct zcl_tx_queue *q, const struct zcl_fragment *fragments,
				  u32 count)
{
	u32 i;

	for (i = 0; i < count; i++) {
		q->sent[q->next++ & q->mask] = fragments[i].buffer;
		q->bytes += fragments[i].length;
	}
	q->packets++;
}

/*
 * The NIC has finished with @count slots, the oldest first. Refused slots among and behind them go
 * back with them. Returns whether the program gets any.
 */
static inline bool zcl_txq_return(struct zcl_tx_queue *q, u32 count)
{
	/* ZCL-BEGIN queue: give sent slots back
	 * From q->tail on, at most to q->next: a slot whose q->sent[] is ZCL_NO_BUFFER was refused
	 * and goes back at once; any other uses up one of @count, and its buffer is the program's
	 * again (.taken.by.sending, WRITE_ONCE). Stop at the first that @count does not cover. Then store
	 * q->tail to TxQ.tail with release (rule 2), once.
	 * > return false;
	 */
	u32 tail = q->tail;

	for (; tail != q->next; tail++) {
		u32 buffer = q->sent[tail & q->mask];

		if (buffer == ZCL_NO_BUFFER)
			continue;
		if (!count)
			break;
		count--;
		WRITE_ONCE(q->buffers[buffer].taken.by.sending, 0);
	}
	if (tail == q->tail)
		return false;
	q->tail = tail;
	smp_store_release(&q->queue->tail, tail);
	return true;
	/* ZCL-END queue */
}

#endif
