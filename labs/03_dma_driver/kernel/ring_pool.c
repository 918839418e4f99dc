// SPDX-License-Identifier: GPL-2.0-only
/*
 * The pool: memory for packets, in single pages (a large contiguous block may not be there when it
 * is needed, and nothing here needs one), each mapped for DMA once, for as long as the ring is
 * attached. A buffer is a page or half of one.
 */
#include <linux/dma-mapping.h>
#include <linux/mm.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>

#include "ring_internal.h"

static void zcl_pool_free_pages(struct zcl_pool *pool)
{
	while (pool->page_count)
		put_page(pool->pages[--pool->page_count]);
}

/* Zeroed: the program sees all of it. */
static int zcl_pool_alloc_pages(struct zcl_pool *pool, u32 count)
{
	for (; pool->page_count < count; pool->page_count++) {
		struct page *page = alloc_page(GFP_KERNEL_ACCOUNT | __GFP_ZERO);

		if (!page) {
			zcl_pool_free_pages(pool);
			return -ENOMEM;
		}
		pool->pages[pool->page_count] = page;
	}
	return 0;
}

static void zcl_pool_unpin(struct zcl_pool *pool)
{
	unpin_user_pages_dirty_lock(pool->pages, pool->page_count, true);
	account_locked_vm(pool->pinned_by, pool->page_count, false);
	mmdrop(pool->pinned_by);
}

/* The program's own memory (ARTICLES A11), which stays where it is until it is unpinned. */
static int zcl_pool_pin(struct zcl_pool *pool, unsigned long start, u32 count)
{
	int err = account_locked_vm(current->mm, count, true);
	int pinned;

	if (err)
		return err;
	while (pool->page_count < count) {
		pinned = pin_user_pages_fast(start + ((unsigned long)pool->page_count << PAGE_SHIFT),
					     count - pool->page_count, FOLL_WRITE | FOLL_LONGTERM,
					     pool->pages + pool->page_count);
		if (pinned <= 0) {
			err = pinned ?: -EFAULT;
			goto err_unpin;
		}
		pool->page_count += pinned;
	}
	mmgrab(current->mm);
	pool->pinned_by = current->mm;
	return 0;

err_unpin:
	unpin_user_pages(pool->pages, pool->page_count);
	account_locked_vm(current->mm, count, false);
	return err;
}

struct zcl_pool *zcl_pool_create(u32 buffer_count, u32 buffer_bytes, unsigned long user)
{
	u32 per_page = PAGE_SIZE / buffer_bytes, page_count = DIV_ROUND_UP(buffer_count, per_page);
	struct zcl_pool *pool = kzalloc(sizeof(*pool), GFP_KERNEL);
	int err = -ENOMEM;
	u32 i;

	if (!pool)
		return ERR_PTR(-ENOMEM);
	pool->buffer_count = buffer_count;
	pool->buffer_bytes = buffer_bytes;
	pool->pages = kvcalloc(page_count, sizeof(*pool->pages), GFP_KERNEL_ACCOUNT);
	pool->page_dma = kvcalloc(page_count, sizeof(*pool->page_dma), GFP_KERNEL_ACCOUNT);
	pool->buffers = kvcalloc(buffer_count, sizeof(*pool->buffers), GFP_KERNEL_ACCOUNT);
	if (!pool->pages || !pool->page_dma || !pool->buffers)
		goto err_free;
	err = user ? zcl_pool_pin(pool, user, page_count) : zcl_pool_alloc_pages(pool, page_count);
	if (err)
		goto err_free;
	for (i = 0; i < buffer_count; i++) {
		pool->buffers[i].index = i;
		pool->buffers[i].address = page_address(pool->pages[i / per_page]) +
					   i % per_page * buffer_bytes;
	}
	return pool;

err_free:
	kvfree(pool->buffers);
	kvfree(pool->page_dma);
	kvfree(pool->pages);
	kfree(pool);
	return ERR_PTR(err);
}

void zcl_pool_destroy(struct zcl_pool *pool)
{
	WARN_ON(pool->mapped_pages);
	if (pool->pinned_by)
		zcl_pool_unpin(pool);
	else
		zcl_pool_free_pages(pool);
	kvfree(pool->buffers);
	kvfree(pool->page_dma);
	kvfree(pool->pages);
	kfree(pool);
}

void zcl_pool_unmap(struct zcl_pool *pool, struct device *device)
{
	while (pool->mapped_pages)
		dma_unmap_page(device, pool->page_dma[--pool->mapped_pages], PAGE_SIZE,
			       DMA_BIDIRECTIONAL);
}

/* Both directions: a received packet is sent on from where it is. */
int zcl_pool_map(struct zcl_pool *pool, struct device *device)
{
	u32 per_page = PAGE_SIZE / pool->buffer_bytes;
	u32 i;

	for (i = 0; i < pool->page_count; i++) {
		dma_addr_t dma = dma_map_page(device, pool->pages[i], 0, PAGE_SIZE,
					      DMA_BIDIRECTIONAL);

		if (dma_mapping_error(device, dma)) {
			zcl_pool_unmap(pool, device);
			return -ENOMEM;
		}
		pool->page_dma[i] = dma;
		pool->mapped_pages++;
		pool->needs_sync |= dma_need_sync(device, dma);
	}
	for (i = 0; i < pool->buffer_count; i++)
		pool->buffers[i].dma = pool->page_dma[i / per_page] +
				       i % per_page * pool->buffer_bytes;
	return 0;
}
