// SPDX-License-Identifier: GPL-2.0-only
/* /dev/zcl0 ...: open, ioctl, release. The ABI header says what each call does. */
#include <linux/capability.h>
#include <linux/log2.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "zcl_port_inline.h"
#include "ring_internal.h"

static int zcl_open(struct inode *inode, struct file *file)
{
	struct zcl_node *node = container_of(inode->i_cdev, struct zcl_node, cdev);
	struct zcl_file *zcl_file;
	int err = 0;

	if (!capable(CAP_NET_ADMIN) || !capable(CAP_NET_RAW))
		return -EPERM;
	zcl_file = kzalloc(sizeof(*zcl_file), GFP_KERNEL);
	if (!zcl_file)
		return -ENOMEM;
	mutex_lock(&node->lock);
	if (!node->port || !try_module_get(node->port->ops->owner))
		err = -ENODEV;
	else
		zcl_file->driver = node->port->ops->owner;
	mutex_unlock(&node->lock);
	if (err) {
		kfree(zcl_file);
		return err;
	}
	get_device(&node->device);
	zcl_file->node = node;
	file->private_data = zcl_file;
	return stream_open(inode, file);
}

/* The last descriptor is closed, and the last mapping gone. */
static int zcl_close(struct inode *inode, struct file *file)
{
	struct zcl_file *closed = file->private_data;
	struct zcl_node *node = closed->node;

	mutex_lock(&node->lock);
	if (node->owner == closed)
		zcl_ring_detach(node);
	mutex_unlock(&node->lock);
	if (closed->ring)
		zcl_ring_put(closed->ring);
	module_put(closed->driver);
	kfree(closed);
	put_device(&node->device);
	return 0;
}

static bool zcl_slots_are_valid(u32 slots)
{
	return is_power_of_2(slots) && slots >= ZCL_MIN_SLOTS && slots <= ZCL_MAX_SLOTS;
}

/* Checks the question and fills in the defaults and the answers. */
static int zcl_setup_prepare(const struct zcl_port *port, struct zcl_setup *setup)
{
	if (setup->version != ZCL_RING_VERSION || setup->zero)
		return -EINVAL;
	if (!setup->rx_slots)
		setup->rx_slots = ZCL_DEFAULT_RX_SLOTS;
	if (!setup->tx_slots)
		setup->tx_slots = ZCL_DEFAULT_TX_SLOTS;
	if (!zcl_slots_are_valid(setup->rx_slots) || !zcl_slots_are_valid(setup->tx_slots) ||
	    setup->spares > ZCL_MAX_SLOTS || setup->interrupts > ZCL_INTERRUPTS_ALWAYS)
		return -EINVAL;
	if (setup->buffer_bytes != ZCL_BUFFER_2K && setup->buffer_bytes != ZCL_BUFFER_4K)
		return -EINVAL;
	setup->buffers = zcl_setup_buffers(port, setup);
	if (setup->buffers > ZCL_MAX_BUFFERS)
		return -EINVAL;
	setup->ring_bytes = zcl_setup_page_bytes(setup);
	setup->pool_bytes = PAGE_ALIGN((u64)setup->buffers * setup->buffer_bytes);
	if (!setup->user_pool && !setup->user_pool_bytes)
		return 0;
	if (!setup->user_pool || !PAGE_ALIGNED(setup->user_pool))
		return -EINVAL;
	return setup->user_pool_bytes == setup->pool_bytes ? 0 : -EMSGSIZE;
}

/* Makes the ring before it takes the lock: that pins, and copies from, user memory. */
static int zcl_setup_create(struct zcl_file *file, const struct zcl_port *port,
			    const struct zcl_setup *setup)
{
	struct zcl_pool *pool;
	struct zcl_ring *ring;
	int err;

	pool = zcl_pool_create(setup->buffers, setup->buffer_bytes, setup->user_pool);
	if (IS_ERR(pool))
		return PTR_ERR(pool);
	ring = zcl_ring_create(port, pool, setup);
	if (IS_ERR(ring)) {
		zcl_pool_destroy(pool);
		return PTR_ERR(ring);
	}
	mutex_lock(&file->node->lock);
	err = zcl_ring_attach(file->node, file, ring);
	mutex_unlock(&file->node->lock);
	if (err)
		zcl_ring_put(ring);
	return err;
}

static long zcl_setup_ioctl(struct zcl_file *file, struct zcl_setup __user *argument)
{
	struct zcl_node *node = file->node;
	struct zcl_port limits = { };
	struct zcl_setup setup;
	bool busy;
	int err;

	if (copy_from_user(&setup, argument, sizeof(setup)))
		return -EFAULT;
	mutex_lock(&node->lock);
	if (node->port)
		limits = *node->port;
	busy = node->owner;
	mutex_unlock(&node->lock);
	if (!limits.ops)
		return -ENODEV;
	if (busy)	/* and again in zcl_ring_attach(); here before anything is allocated */
		return file->ring ? -EINVAL : -EBUSY;
	err = zcl_setup_prepare(&limits, &setup);
	if (!err)
		err = zcl_setup_create(file, &limits, &setup);
	if ((!err || err == -EMSGSIZE) && copy_to_user(argument, &setup, sizeof(setup)))
		return -EFAULT;
	return err;
}

static long zcl_set_filter(struct zcl_file *file, const struct zcl_filter __user *argument)
{
	struct zcl_filter_rule *rule;
	struct zcl_filter filter;

	if (copy_from_user(&filter, argument, sizeof(filter)))
		return -EFAULT;
	rule = zcl_filter_create(&filter);
	if (IS_ERR(rule))
		return PTR_ERR(rule);
	mutex_lock(&file->node->lock);
	rule = rcu_replace_pointer(file->ring->filter, rule,
				   lockdep_is_held(&file->node->lock));
	mutex_unlock(&file->node->lock);
	synchronize_rcu();
	zcl_filter_destroy(rule);
	return 0;
}

static long zcl_set_eventfd(struct zcl_file *file, int descriptor)
{
	struct eventfd_ctx *event = NULL;

	if (descriptor != -1)
		event = eventfd_ctx_fdget(descriptor);
	if (IS_ERR(event))
		return PTR_ERR(event);
	mutex_lock(&file->node->lock);
	event = rcu_replace_pointer(file->ring->event, event,
				    lockdep_is_held(&file->node->lock));
	mutex_unlock(&file->node->lock);
	synchronize_rcu();
	if (event)
		eventfd_ctx_put(event);
	return 0;
}

static long zcl_get_info(struct zcl_node *node, struct zcl_info __user *argument)
{
	struct zcl_info info = { };

	mutex_lock(&node->lock);
	if (node->port) {
		strscpy(info.interface, node->port->netdev->name, sizeof(info.interface));
		info.mode = node->mode;
		info.max_packet = node->port->max_packet;
	}
	mutex_unlock(&node->lock);
	if (!info.max_packet)
		return -ENODEV;
	return copy_to_user(argument, &info, sizeof(info)) ? -EFAULT : 0;
}

static long zcl_get_stats(const struct zcl_ring *ring, struct zcl_stats __user *argument)
{
	const struct zcl_stats stats = {
		.rx_packets = ring->rx.packets,
		.rx_bytes = ring->rx.bytes,
		.rx_filtered = ring->filtered,
		.rx_copied = ring->copied,
		.rx_ring_full = ring->rx.ring_full,
		.rx_bad_tail = ring->rx.bad_tail,
		.rx_bad_buffer = ring->rx.bad_buffer,
		.tx_packets = ring->tx.packets,
		.tx_bytes = ring->tx.bytes,
		.tx_bad_head = ring->tx.bad_head,
		.tx_bad_slot = ring->tx.bad_slot,
		.wakeups = ring->wakeups,
	};

	return copy_to_user(argument, &stats, sizeof(stats)) ? -EFAULT : 0;
}

/* Calls that reach the driver. */
static long zcl_ioctl_locked(struct zcl_file *file, unsigned int command, unsigned long argument)
{
	switch (command) {
	case ZCL_SYNC:
		if (argument & ~(unsigned long)(ZCL_SYNC_RX | ZCL_SYNC_TX | ZCL_SYNC_BUSY))
			return -EINVAL;
		return zcl_ring_sync(file->node, file->ring, (unsigned int)argument);
	case ZCL_SET_MODE:
		if (argument > ZCL_MODE_SPLIT)
			return -EINVAL;
		return zcl_ring_set_mode(file->node, (enum zcl_mode)argument);
	default:
		return zcl_ring_reset(file->node);
	}
}

static long zcl_ioctl(struct file *file, unsigned int command, unsigned long argument)
{
	struct zcl_file *zcl_file = file->private_data;
	struct zcl_ring *ring = smp_load_acquire(&zcl_file->ring);
	void __user *user = (void __user *)argument;
	long result = -ENODEV;

	if (command == ZCL_SETUP)
		return zcl_setup_ioctl(zcl_file, user);
	if (command == ZCL_GET_INFO)
		return zcl_get_info(zcl_file->node, user);
	if (!ring)
		return -ENXIO;
	switch (command) {
	case ZCL_SYNC:
	case ZCL_SET_MODE:
	case ZCL_RESET:
		mutex_lock(&zcl_file->node->lock);
		if (zcl_file->node->port)
			result = zcl_ioctl_locked(zcl_file, command, argument);
		mutex_unlock(&zcl_file->node->lock);
		return result;
	case ZCL_SET_FILTER:
		return zcl_set_filter(zcl_file, user);
	case ZCL_SET_EVENTFD:
		return zcl_set_eventfd(zcl_file, (int)argument);
	case ZCL_GET_STATS:
		return zcl_get_stats(ring, user);
	case ZCL_COPY:
		return zcl_copy_ioctl(zcl_file, user);
	default:
		return -ENOTTY;
	}
}

const struct file_operations zcl_fops = {
	.owner = THIS_MODULE,
	.open = zcl_open,
	.release = zcl_close,
	.read = zcl_read,
	.poll = zcl_poll,
	.unlocked_ioctl = zcl_ioctl,
	.mmap = zcl_mmap,
	.llseek = noop_llseek,
};
