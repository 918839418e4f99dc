// SPDX-License-Identifier: GPL-2.0-only
/*
 * Packets for those who do not map the ring: read(2), ZCL_COPY, and a file in /proc (ARTICLES B3).
 * The kernel then is RxQ's consumer, on the program's behalf: it takes the oldest packet, copies it
 * while no lock is held, and returns its slots. ZCL_MAP_PACKET (ring_mmap.c) does the same over a
 * longer time, so packets may be returned in another order than they were taken.
 *
 * What stands in a slot may be the program's invention. It is checked like everything else of the
 * page, and leads at worst to another buffer of the program's own pool.
 */
#include <linux/module.h>
#include <linux/poll.h>
#include <linux/uaccess.h>

#include "zcl_port_inline.h"
#include "ring_internal.h"

/* The driver's receive pass: into the buffers that stand in the slots, which stay the program's. */
void zcl_ring_receive_copy(struct zcl_ring *ring, const void *data, u32 length, u8 flags, u8 type)
{
	struct zcl_rx_queue *rx = &ring->rx;

	do {
		u32 part = min(length, ring->pool->buffer_bytes);
		u8 part_flags = part == length ? flags : flags & ~ZCL_END_OF_PACKET;
		struct zcl_descriptor *place;
		struct zcl_buffer *into;
		u32 index, spare;

		if (!zcl_rxq_place(rx, part_flags, &index))
			return;
		place = zcl_rxq_slot(rx, index);
		spare = zcl_rxq_spare(rx, place);
		if (spare == ZCL_NO_BUFFER)
			return;
		into = zcl_buffer_at(rx->buffers, spare);
		memcpy(into->address, data, part);
		zcl_rxq_fill(rx, place, index, into->index, part, part_flags, type);
		flags &= ~ZCL_START_OF_PACKET;
		data += part;
		length -= part;
	} while (length);
	if (flags & ZCL_END_OF_PACKET)
		ring->copied++;
}
EXPORT_SYMBOL_GPL(zcl_ring_receive_copy);

bool zcl_ring_hold(struct zcl_ring *ring, struct zcl_held *held)
{
	const struct zcl_rx_queue *rx = &ring->rx;
	u32 head = smp_load_acquire(&ring->rx.published), slots = rx->mask + 1, tail;
	u8 flags = 0;

	spin_lock(&ring->consume_lock);
	tail = READ_ONCE(rx->queue->tail);
	/* The program may have gone on by itself. */
	if (ring->cursor - tail > head - tail)
		ring->cursor = tail;
	held->first = ring->cursor;
	held->count = 0;
	held->generation = ring->generation;
	if (head - tail <= slots) {
		for (; ring->cursor != head && !(flags & ZCL_END_OF_PACKET); ring->cursor++) {
			flags = READ_ONCE(rx->slots[ring->cursor & rx->mask].flags);
			ring->held[ring->cursor & rx->mask] = 1;
			held->count++;
		}
	}
	spin_unlock(&ring->consume_lock);
	return held->count;
}

void zcl_ring_release(struct zcl_ring *ring, const struct zcl_held *held)
{
	struct zcl_rx_queue *rx = &ring->rx;
	u32 tail, i;

	spin_lock(&ring->consume_lock);
	if (held->generation == ring->generation) {
		for (i = 0; i < held->count; i++)
			ring->held[(held->first + i) & rx->mask] = 0;
		tail = READ_ONCE(rx->queue->tail);
		if (ring->cursor - tail <= rx->mask + 1) {
			while (tail != ring->cursor && !ring->held[tail & rx->mask])
				tail++;
			smp_store_release(&rx->queue->tail, tail);
		}
	}
	spin_unlock(&ring->consume_lock);
}

/* Returns the packet's length, of which at most @capacity bytes were copied; or -EFAULT, -EIO. */
static ssize_t zcl_copy_packet(struct zcl_ring *ring, const struct zcl_held *held, char __user *to,
			       size_t capacity)
{
	size_t total = 0;
	u32 i;

	for (i = 0; i < held->count; i++) {
		struct zcl_descriptor *slot = &ring->rx.slots[(held->first + i) & ring->rx.mask];
		u32 buffer = READ_ONCE(slot->buffer), length = READ_ONCE(slot->length);
		size_t room = capacity - min(capacity, total);

		if (buffer >= ring->pool->buffer_count || length > ring->pool->buffer_bytes)
			return -EIO;
		if (copy_to_user(to + (capacity - room), ring->pool->buffers[buffer].address,
				 min_t(size_t, room, length)))
			return -EFAULT;
		total += length;
	}
	return (ssize_t)total;
}

/* 0: @held has the oldest packet. Else -ENODEV, -EAGAIN (none there; @arm: the caller will be woken),
 * or -EBUSY (all are held).
 */
static int zcl_hold_oldest(struct zcl_node *node, struct zcl_ring *ring, bool arm,
			   struct zcl_held *held)
{
	__poll_t ready;
	int err = 0;

	mutex_lock(&node->lock);
	if (arm)
		ready = zcl_ring_ready_or_armed(node, ring, EPOLLIN);
	else
		ready = zcl_ring_ready(node, ring, EPOLLIN);
	if (ready & EPOLLHUP)
		err = -ENODEV;
	else if (!(ready & EPOLLIN))
		err = -EAGAIN;
	else if (!zcl_ring_hold(ring, held))
		err = -EBUSY;
	mutex_unlock(&node->lock);
	return err;
}

/* wait_woken() instead of wait_event(): looking for packets may itself sleep. */
static int zcl_wait_for_packet(struct zcl_node *node, struct zcl_ring *ring, struct zcl_held *held)
{
	DEFINE_WAIT_FUNC(wait, woken_wake_function);
	int err;

	add_wait_queue(&ring->wait, &wait);
	while ((err = zcl_hold_oldest(node, ring, true, held)) == -EAGAIN) {
		if (signal_pending(current)) {
			err = -ERESTARTSYS;
			break;
		}
		wait_woken(&wait, TASK_INTERRUPTIBLE, MAX_SCHEDULE_TIMEOUT);
	}
	remove_wait_queue(&ring->wait, &wait);
	return err;
}

/* One packet a call; what does not fit is lost, as with a packet socket. */
ssize_t zcl_read(struct file *file, char __user *to, size_t count, loff_t *position)
{
	struct zcl_file *zcl_file = file->private_data;
	struct zcl_ring *ring = smp_load_acquire(&zcl_file->ring);
	struct zcl_held held;
	ssize_t result;

	if (!ring)
		return -ENXIO;
	result = zcl_hold_oldest(zcl_file->node, ring, false, &held);
	if (result == -EAGAIN && !(file->f_flags & O_NONBLOCK))
		result = zcl_wait_for_packet(zcl_file->node, ring, &held);
	if (result)
		return result;
	result = zcl_copy_packet(ring, &held, to, count);
	zcl_ring_release(ring, &held);
	return result < 0 ? result : min_t(ssize_t, result, count);
}

long zcl_copy_ioctl(struct zcl_file *file, struct zcl_copy __user *argument)
{
	struct zcl_ring *ring = smp_load_acquire(&file->ring);
	struct zcl_held held;
	struct zcl_copy copy;
	ssize_t result;

	if (!ring)
		return -ENXIO;
	if (copy_from_user(&copy, argument, sizeof(copy)))
		return -EFAULT;
	result = zcl_hold_oldest(file->node, ring, false, &held);
	if (result)
		return result;
	result = zcl_copy_packet(ring, &held, u64_to_user_ptr(copy.address), copy.capacity);
	zcl_ring_release(ring, &held);
	if (result < 0)
		return result;
	return put_user((u32)result, &argument->length);
}

/* Whoever has the ring set up; NULL: nobody. The caller puts it. */
static struct zcl_ring *zcl_ring_of(struct zcl_node *node)
{
	struct zcl_ring *ring = NULL;

	mutex_lock(&node->lock);
	if (node->owner) {
		ring = node->owner->ring;
		kref_get(&ring->users);
	}
	mutex_unlock(&node->lock);
	return ring;
}

/* Whole packets, each behind its length (u32), as many as are there and fit. 0: none. */
static ssize_t zcl_proc_copy(struct zcl_node *node, struct zcl_ring *ring, char __user *to,
			     size_t count)
{
	u32 largest = ring->tx.max_packet + sizeof(u32);
	struct zcl_held held;
	size_t done = 0;
	ssize_t bytes;

	if (count < largest)
		return -EMSGSIZE;
	while (count - done >= largest && !zcl_hold_oldest(node, ring, false, &held)) {
		bytes = zcl_copy_packet(ring, &held, to + done + sizeof(u32),
					count - done - sizeof(u32));
		zcl_ring_release(ring, &held);
		if (bytes < 0)
			return bytes;
		if (put_user((u32)bytes, (u32 __user *)(to + done)))
			return -EFAULT;
		done += sizeof(u32) + min_t(size_t, bytes, count - done - sizeof(u32));
	}
	return (ssize_t)done;
}

static ssize_t zcl_proc_read(struct file *file, char __user *to, size_t count, loff_t *position)
{
	struct zcl_node *node = pde_data(file_inode(file));
	struct zcl_ring *ring = zcl_ring_of(node);
	ssize_t result;

	if (!ring)
		return -ENXIO;
	result = zcl_proc_copy(node, ring, to, count);
	zcl_ring_put(ring);
	return result;
}

static int zcl_proc_open(struct inode *inode, struct file *file)
{
	return capable(CAP_NET_ADMIN) && capable(CAP_NET_RAW) ? 0 : -EPERM;
}

const struct proc_ops zcl_proc_ops = {
	.proc_open = zcl_proc_open,
	.proc_read = zcl_proc_read,
	.proc_lseek = noop_llseek,
};
