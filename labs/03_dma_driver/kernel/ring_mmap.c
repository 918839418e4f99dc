// SPDX-License-Identifier: GPL-2.0-only
/*
 * The ring in a program's address space. Three views: the ring page, filled in by a fault handler;
 * the pool, whose pages are inserted at once; and, for ARTICLES E5, one packet.
 *
 * A mapping keeps its file open, and the file keeps ring and module. The pages of pool and packet
 * are counted for each page table that has them besides, so even the memory of a pool that is gone
 * is never somebody else's while it can be seen.
 */
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "ring_internal.h"

/* Called when a program touches a page of the ring page's view for the first time. */
static vm_fault_t zcl_ring_fault(struct vm_fault *vmf)
{
	/* ZCL-BEGIN mmap: the ring page's fault handler
	 * The ring is the VMA's private data, vmf->pgoff the page in the view. Beyond
	 * ring->page_bytes: VM_FAULT_SIGBUS. ring->page is memory of vmalloc_user():
	 * vmalloc_to_page() finds the page. Take a reference (get_page()) for the page table, leave
	 * the page in vmf->page, return 0.
	 * > return VM_FAULT_SIGBUS;
	 */
	const struct zcl_ring *ring = vmf->vma->vm_private_data;

	if (vmf->pgoff >= ring->page_bytes >> PAGE_SHIFT)
		return VM_FAULT_SIGBUS;
	vmf->page = vmalloc_to_page(ring->page + (vmf->pgoff << PAGE_SHIFT));
	get_page(vmf->page);
	return 0;
	/* ZCL-END mmap */
}

static const struct vm_operations_struct zcl_ring_vm_ops = {
	.fault = zcl_ring_fault,
};

/* Nothing to do but not growing: mremap(2) asks for this table. */
static const struct vm_operations_struct zcl_pool_vm_ops = { };

/* @first: page of the view. */
static int zcl_map_ring(struct vm_area_struct *vma, struct zcl_ring *ring, unsigned long first)
{
	unsigned long pages = ring->page_bytes >> PAGE_SHIFT;

	if (first >= pages || vma_pages(vma) > pages - first)
		return -EINVAL;
	vma->vm_private_data = ring;
	vma->vm_ops = &zcl_ring_vm_ops;
	return 0;
}

static int zcl_map_pool(struct vm_area_struct *vma, struct zcl_ring *ring, unsigned long first)
{
	/* ZCL-BEGIN mmap: the pool's pages
	 * The program chose @first and the length (vma_pages()). Neither may reach beyond
	 * pool->page_count, and their sum may overflow: -EINVAL. Memory that the program itself
	 * supplied (pool->pinned_by) is mapped already: -EINVAL. Insert all the pages from
	 * &pool->pages[first] on with one vm_insert_pages(), which wants their number in a variable.
	 * > return -EOPNOTSUPP;
	 */
	const struct zcl_pool *pool = ring->pool;
	unsigned long count = vma_pages(vma);

	if (pool->pinned_by || first >= pool->page_count || count > pool->page_count - first)
		return -EINVAL;
	return vm_insert_pages(vma, vma->vm_start, &pool->pages[first], &count);
	/* ZCL-END mmap */
}

/* A packet in somebody's address space; parts and copies of the mapping share it. */
struct zcl_packet_view {
	struct kref users;
	struct zcl_ring *ring;
	struct zcl_held held;
};

static void zcl_packet_view_end(struct kref *users)
{
	struct zcl_packet_view *view = container_of(users, struct zcl_packet_view, users);

	zcl_ring_release(view->ring, &view->held);
	kfree(view);
}

static void zcl_packet_open(struct vm_area_struct *vma)
{
	struct zcl_packet_view *view = vma->vm_private_data;

	kref_get(&view->users);
}

static void zcl_packet_close(struct vm_area_struct *vma)
{
	struct zcl_packet_view *view = vma->vm_private_data;

	kref_put(&view->users, zcl_packet_view_end);
}

static const struct vm_operations_struct zcl_packet_vm_ops = {
	.open = zcl_packet_open,
	.close = zcl_packet_close,
};

/* Inserts the packet's buffers, a page each, one behind the other. Beyond them lies SIGBUS. */
static int zcl_insert_packet(struct vm_area_struct *vma, struct zcl_ring *ring,
			     const struct zcl_held *held)
{
	unsigned long address = vma->vm_start;
	int err = 0;
	u32 i;

	if (held->count > vma_pages(vma))
		return -EMSGSIZE;
	for (i = 0; i < held->count && !err; i++, address += PAGE_SIZE) {
		struct zcl_descriptor *slot = &ring->rx.slots[(held->first + i) & ring->rx.mask];
		u32 buffer = READ_ONCE(slot->buffer);

		if (buffer >= ring->pool->page_count)
			return -EIO;
		err = vm_insert_page(vma, address, ring->pool->pages[buffer]);
	}
	return err;
}

/*
 * Looks at the NIC first, but does not wait for node->lock: the caller holds its process's mmap
 * lock, and node->lock may wait for others (the RTNL) whose owners wait for that in a page fault.
 * Whoever has node->lock now is looking at the NIC, or about to change everything.
 */
static bool zcl_take_packet(struct zcl_node *node, struct zcl_ring *ring, struct zcl_held *held)
{
	if (mutex_trylock(&node->lock)) {
		zcl_ring_ready(node, ring, EPOLLIN);
		mutex_unlock(&node->lock);
	}
	return zcl_ring_hold(ring, held);
}

static int zcl_map_packet(struct vm_area_struct *vma, struct zcl_node *node, struct zcl_ring *ring)
{
	struct zcl_packet_view *view;
	int err;

	if (ring->pool->buffer_bytes != PAGE_SIZE || ring->pool->pinned_by)
		return -EINVAL;
	if (vma->vm_flags & VM_WRITE)
		return -EACCES;
	vm_flags_clear(vma, VM_MAYWRITE);
	view = kzalloc(sizeof(*view), GFP_KERNEL);
	if (!view)
		return -ENOMEM;
	kref_init(&view->users);
	view->ring = ring;
	if (!zcl_take_packet(node, ring, &view->held)) {
		kfree(view);
		return -EAGAIN;
	}
	err = zcl_insert_packet(vma, ring, &view->held);
	if (err) {
		/* The caller unmaps what was inserted; close() is for mappings that were made. */
		kref_put(&view->users, zcl_packet_view_end);
		return err;
	}
	vma->vm_private_data = view;
	vma->vm_ops = &zcl_packet_vm_ops;
	return 0;
}

int zcl_mmap(struct file *file, struct vm_area_struct *vma)
{
	const unsigned long view_pages = (ZCL_MAP_POOL - ZCL_MAP_RING) >> PAGE_SHIFT;
	struct zcl_file *zcl_file = file->private_data;
	struct zcl_ring *ring = smp_load_acquire(&zcl_file->ring);
	unsigned long first = vma->vm_pgoff % view_pages;

	if (!READ_ONCE(zcl_file->node->port))
		return -ENODEV;
	if (!ring)
		return -ENXIO;
	/* A private mapping would be a copy, which nobody else sees. */
	if (!(vma->vm_flags & VM_SHARED))
		return -EINVAL;
	if (vma->vm_flags & VM_EXEC)
		return -EACCES;
	vm_flags_clear(vma, VM_MAYEXEC);
	vm_flags_set(vma, VM_DONTEXPAND | VM_DONTDUMP);
	switch (vma->vm_pgoff / view_pages) {
	case ZCL_MAP_RING / ZCL_MAP_POOL:
		return zcl_map_ring(vma, ring, first);
	case ZCL_MAP_POOL / ZCL_MAP_POOL:
		vma->vm_ops = &zcl_pool_vm_ops;
		return zcl_map_pool(vma, ring, first);
	case ZCL_MAP_PACKET / ZCL_MAP_POOL:
		return first ? -EINVAL : zcl_map_packet(vma, zcl_file->node, ring);
	default:
		return -EINVAL;
	}
}
