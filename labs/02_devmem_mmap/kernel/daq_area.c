// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory for samples: the module's own buffer, and the region reserved at boot. Who holds it is
 * counted; the last to let go frees it.
 */
#include <linux/dma-mapping.h>
#include <linux/module.h>
#include <linux/slab.h>

#include "daq.h"

/*
 * 2.4 drivers had to mark pages as reserved before remap_page_range() would map them. Nothing asks
 * for it today; the experiment `reserved_mark` shows what it does instead.
 */
static unsigned int mark_reserved;
module_param(mark_reserved, uint, 0444);
MODULE_PARM_DESC(mark_reserved, "pages of the buffer to mark reserved: 0 none, 1 the first, 2 all");

static bool clear_mark = true;
module_param(clear_mark, bool, 0444);
MODULE_PARM_DESC(clear_mark, "clear the marks before the buffer is freed");

static bool one_block;
module_param(one_block, bool, 0444);
MODULE_PARM_DESC(one_block, "allocate and free the buffer as one block, as 2.4 drivers did");

static size_t daq_marked_pages(const struct daq_area *area)
{
	return mark_reserved > 1 ? area->bytes >> PAGE_SHIFT : mark_reserved;
}

static void daq_mark(struct daq_area *area)
{
	size_t i;

	for (i = 0; i < daq_marked_pages(area); i++)
		SetPageReserved(virt_to_page(area->memory + i * PAGE_SIZE));
}

static void daq_clear_mark(struct daq_area *area)
{
	size_t i;

	for (i = 0; clear_mark && i < daq_marked_pages(area); i++)
		ClearPageReserved(virt_to_page(area->memory + i * PAGE_SIZE));
}

/*
 * GFP_DMA, because the device drives 28 address lines and the next zone up promises only 32.
 * alloc_pages_exact() splits what it allocates: every page has a reference count of its own, which
 * vm_insert_page() and the network stack need. Of one block only the first page has one.
 */
static void *daq_alloc_pages(size_t bytes)
{
	const gfp_t flags = GFP_KERNEL | GFP_DMA | __GFP_ZERO | __GFP_NOWARN;

	return one_block ? (void *)__get_free_pages(flags, get_order(bytes)) :
			   alloc_pages_exact(bytes, flags);
}

struct daq_area *daq_buffer_create(size_t pages)
{
	struct daq_area *area = kzalloc(sizeof(*area), GFP_KERNEL);

	if (!area)
		return ERR_PTR(-ENOMEM);
	kref_init(&area->users);
	area->bytes = pages << PAGE_SHIFT;
	area->memory = daq_alloc_pages(area->bytes);
	if (!area->memory) {
		kfree(area);
		return ERR_PTR(-ENOMEM);
	}
	area->physical = virt_to_phys(area->memory);
	daq_mark(area);
	return area;
}

/* Gives the buffer's pages back. */
static void daq_buffer_free(struct daq_area *area)
{
	daq_clear_mark(area);
	if (one_block)
		free_pages((unsigned long)area->memory, get_order(area->bytes));
	else
		free_pages_exact(area->memory, area->bytes);
}

/*
 * Whether the kernel keeps its hands off [start, start + bytes). Such memory has struct pages (it
 * is RAM, so a device's registers are refused) and is not System RAM.
 */
int daq_region_check(phys_addr_t start, u64 bytes)
{
	/* ZCL-BEGIN address: refuse a region that is not ours
	 * The address and size come from whoever loads the module. Return -EINVAL for a region
	 * that is empty, not page aligned, below 1 MiB, or whose end overflows or is not RAM at
	 * all (pfn_valid() of the last page); -EBUSY where any of it is System RAM, which the
	 * kernel hands out to others (region_intersects()). Return 0 for a good one.
	 * > return 0;
	 */
	phys_addr_t last;

	if (!bytes || !PAGE_ALIGNED(start) || !PAGE_ALIGNED(bytes) || start < SZ_1M)
		return -EINVAL;
	if (check_add_overflow(start, (phys_addr_t)bytes - 1, &last))
		return -EINVAL;
	if (!pfn_valid(PHYS_PFN(start)) || !pfn_valid(PHYS_PFN(last)))
		return -EINVAL;
	if (region_intersects(start, bytes, IORESOURCE_SYSTEM_RAM, IORES_DESC_NONE) !=
	    REGION_DISJOINT)
		return -EBUSY;
	return 0;
	/* ZCL-END address */
}

/*
 * The entry is not marked busy: with CONFIG_IO_STRICT_DEVMEM the kernel would refuse /dev/mem on it
 * as it does for the registers of a driver.
 */
struct daq_area *daq_region_create(phys_addr_t start, size_t bytes)
{
	struct daq_area *area = kzalloc(sizeof(*area), GFP_KERNEL);
	int err;

	if (!area)
		return ERR_PTR(-ENOMEM);
	kref_init(&area->users);
	area->physical = start;
	area->bytes = bytes;
	area->claim = (struct resource)DEFINE_RES_MEM_NAMED(start, bytes, "daq region");
	err = insert_resource(&iomem_resource, &area->claim);
	if (err) {
		kfree(area);
		return ERR_PTR(err);
	}
	return area;
}

static void daq_area_release(struct kref *users)
{
	/* ZCL-BEGIN lifetime: free the memory when nobody is left
	 * `users` is a member of struct daq_area. The buffer: daq_buffer_free(). The region (memory
	 * is NULL): remove_resource() of its claim. Then the struct itself.
	 * > (void)daq_buffer_free;
	 */
	struct daq_area *area = container_of(users, struct daq_area, users);

	if (area->memory)
		daq_buffer_free(area);
	else
		remove_resource(&area->claim);
	kfree(area);
	/* ZCL-END lifetime */
}

void daq_area_put(struct daq_area *area)
{
	if (!IS_ERR_OR_NULL(area))
		kref_put(&area->users, daq_area_release);
}

/*
 * Makes `area` the device's area `id`: takes over the caller's reference and gives the device
 * access. An error pointer is passed on, so that a create function may stand in the argument.
 */
int daq_area_attach(struct daq *daq, enum daq_area_id id, struct daq_area *area)
{
	struct device *dev = &daq->pdev->dev;
	dma_addr_t bus;

	if (IS_ERR(area))
		return PTR_ERR(area);
	bus = dma_map_page(dev, pfn_to_page(PHYS_PFN(area->physical)), 0, area->bytes,
			   DMA_FROM_DEVICE);
	if (dma_mapping_error(dev, bus)) {
		daq_area_put(area);
		return -EIO;
	}
	daq->area[id] = area;
	daq->bus[id] = bus;
	return 0;
}

/* The opposite. The device must not be in the middle of a transfer. */
void daq_area_detach(struct daq *daq, enum daq_area_id id)
{
	struct daq_area *area = daq->area[id];

	if (!area)
		return;
	dma_unmap_page(&daq->pdev->dev, daq->bus[id], area->bytes, DMA_FROM_DEVICE);
	daq->area[id] = NULL;
	daq_area_put(area);
}

/* The area with a reference for the caller, or -EINVAL, or -ENODEV where there is none (left). */
struct daq_area *daq_area_get(struct daq *daq, u32 id)
{
	struct daq_area *area;

	if (id >= DAQ_AREAS)
		return ERR_PTR(-EINVAL);
	mutex_lock(&daq->lock);
	area = daq->area[id];
	if (area)
		kref_get(&area->users);
	mutex_unlock(&daq->lock);
	return area ?: ERR_PTR(-ENODEV);
}
