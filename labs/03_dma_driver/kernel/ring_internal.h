/* SPDX-License-Identifier: GPL-2.0-only */
/* What the files of the ring module offer each other. */
#ifndef RING_INTERNAL_H
#define RING_INTERNAL_H

#include <linux/cdev.h>
#include <linux/device.h>
#include <linux/fs.h>
#include <linux/poll.h>
#include <linux/proc_fs.h>

#include "compat.h"
#include "ring.h"

/*
 * A port's node /dev/zclN. Lives while the port is registered or a file is open.
 *
 * @lock: everything below. Taken before the RTNL, so user memory is never touched under it, and it
 * is never waited for under an mmap lock.
 */
struct zcl_node {
	struct device device;
	struct cdev cdev;
	struct proc_dir_entry *proc;
	struct mutex lock;
	struct zcl_port *port;		/* NULL once unregistered */
	struct zcl_file *owner;		/* who has set up a ring */
	enum zcl_mode mode;
};

/* An open file. */
struct zcl_file {
	struct zcl_node *node;
	struct zcl_ring *ring;		/* set once, with release; NULL before ZCL_SETUP */
	struct module *driver;		/* stays while the file is open */
};

/* ring_pool.c: ERR_PTR; @user: the program's memory, page aligned, or 0. */
struct zcl_pool *zcl_pool_create(u32 buffer_count, u32 buffer_bytes, unsigned long user);
void zcl_pool_destroy(struct zcl_pool *pool);
int zcl_pool_map(struct zcl_pool *pool, struct device *device);
void zcl_pool_unmap(struct zcl_pool *pool, struct device *device);

/* ring_setup.c */
u32 zcl_setup_buffers(const struct zcl_port *port, const struct zcl_setup *setup);
size_t zcl_setup_page_bytes(const struct zcl_setup *setup);
/* A ring with its page; takes over @pool. ERR_PTR, and @pool stays the caller's. */
struct zcl_ring *zcl_ring_create(const struct zcl_port *port, struct zcl_pool *pool,
				 const struct zcl_setup *setup);
void zcl_ring_put(struct zcl_ring *ring);
/* These under node->lock. */
int zcl_ring_attach(struct zcl_node *node, struct zcl_file *file, struct zcl_ring *ring);
void zcl_ring_detach(struct zcl_node *node);
int zcl_ring_reset(struct zcl_node *node);
int zcl_ring_set_mode(struct zcl_node *node, enum zcl_mode mode);

/* ring_sync.c: under node->lock. */
int zcl_ring_sync(struct zcl_node *node, struct zcl_ring *ring, unsigned int what);
__poll_t zcl_ring_ready(struct zcl_node *node, struct zcl_ring *ring, __poll_t wanted);
__poll_t zcl_ring_ready_or_armed(struct zcl_node *node, struct zcl_ring *ring, __poll_t wanted);
__poll_t zcl_poll(struct file *file, struct poll_table_struct *table);

/* ring_copy.c: packets for those who do not map the ring. */
struct zcl_held {
	u32 first;		/* index of its first slot */
	u32 count;		/* slots */
	u32 generation;
};
/* Takes the oldest packet of RxBuf. False: there is none. */
bool zcl_ring_hold(struct zcl_ring *ring, struct zcl_held *held);
/* Returns its slots. Any context. */
void zcl_ring_release(struct zcl_ring *ring, const struct zcl_held *held);
ssize_t zcl_read(struct file *file, char __user *to, size_t count, loff_t *position);
long zcl_copy_ioctl(struct zcl_file *file, struct zcl_copy __user *argument);
extern const struct proc_ops zcl_proc_ops;

/* ring_filter.c: ERR_PTR; NULL: the rule that wants nothing. */
struct zcl_filter_rule *zcl_filter_create(const struct zcl_filter *filter);
void zcl_filter_destroy(struct zcl_filter_rule *rule);

/* ring_mmap.c */
int zcl_mmap(struct file *file, struct vm_area_struct *vma);

/* ring_device.c */
extern const struct file_operations zcl_fops;

#endif
