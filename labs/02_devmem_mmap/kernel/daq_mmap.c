// SPDX-License-Identifier: GPL-2.0-only
/*
 * The areas in a program's address space. Programs read: every view refuses to be written or
 * executed, now and by a later mprotect(2).
 */
#include "daq.h"

#define DAQ_VIEW_PAGES_SHIFT (DAQ_VIEW_SHIFT - PAGE_SHIFT)

/* The page of the area that a page offset within the file means. */
static unsigned long daq_first_page(unsigned long pgoff)
{
	return pgoff & (BIT(DAQ_VIEW_PAGES_SHIFT) - 1);
}

/* Whether `vma` may show `area`: 0, -EINVAL for the wrong range, -EACCES for the wrong access. */
static int daq_may_map(struct vm_area_struct *vma, const struct daq_area *area, unsigned long first)
{
	/* ZCL-BEGIN remap: what a program may ask for
	 * The program chose the first page and the length (vma_pages()). Neither may reach beyond
	 * the area's pages, and their sum may overflow: -EINVAL. Writing and executing: -EACCES;
	 * clear VM_MAYWRITE and VM_MAYEXEC (vm_flags_clear()) as well, or mprotect(2) gets later
	 * what mmap(2) was refused.
	 * > return -EOPNOTSUPP;
	 */
	unsigned long pages = area->bytes >> PAGE_SHIFT;

	if (first >= pages || vma_pages(vma) > pages - first)
		return -EINVAL;
	if (vma->vm_flags & (VM_WRITE | VM_EXEC))
		return -EACCES;
	vm_flags_clear(vma, VM_MAYWRITE | VM_MAYEXEC);
	return 0;
	/* ZCL-END remap */
}

/* Page frames, without any struct page: what /dev/mem does too. */
static int daq_map_pfn(struct vm_area_struct *vma, const struct daq_area *area, unsigned long first)
{
	/* ZCL-BEGIN remap: fill the page table with page frames
	 * The frame is that of the area's start plus the first page. One call
	 * of remap_pfn_range() maps the whole VMA with its own page protection.
	 * > return -EOPNOTSUPP;
	 */
	return remap_pfn_range(vma, vma->vm_start, PHYS_PFN(area->physical) + first,
			       vma->vm_end - vma->vm_start, vma->vm_page_prot);
	/* ZCL-END remap */
}

/* Pages that stay the memory manager's: it counts a reference for each one that is mapped. */
static int daq_map_pages(struct vm_area_struct *vma, const struct daq_area *area,
			 unsigned long first)
{
	/* ZCL-BEGIN pages: insert the pages
	 * One vm_insert_page() for each page of the VMA; the area's pages follow each other from
	 * virt_to_page(area->memory). Stop at the first error: the caller's mmap(2) undoes the rest.
	 * > return -EOPNOTSUPP;
	 */
	struct page *page = virt_to_page(area->memory) + first;
	unsigned long address;
	int err = 0;

	for (address = vma->vm_start; address < vma->vm_end && !err; address += PAGE_SIZE)
		err = vm_insert_page(vma, address, page++);
	return err;
	/* ZCL-END pages */
}

/*
 * Called when a program touches a page of the fault view that is not in its page table yet. The VMA
 * may have grown since mmap(2): mremap(2) asks nobody.
 */
static vm_fault_t daq_fault(struct vm_fault *vmf)
{
	/* ZCL-BEGIN pages: the fault handler
	 * vmf->pgoff is the file's page offset, view included; the area is the VMA's private data.
	 * Beyond the area: VM_FAULT_SIGBUS. Else take a reference (get_page()) for the page table,
	 * leave the page in vmf->page, and return 0: the memory manager maps it.
	 * > return VM_FAULT_SIGBUS;
	 */
	const struct daq_area *area = vmf->vma->vm_private_data;
	unsigned long index = daq_first_page(vmf->pgoff);

	if (index >= area->bytes >> PAGE_SHIFT)
		return VM_FAULT_SIGBUS;
	vmf->page = virt_to_page(area->memory) + index;
	get_page(vmf->page);
	return 0;
	/* ZCL-END pages */
}

/* A mapping begins: by mmap(2), or as a copy or a part of another (fork, mremap, munmap). */
static void daq_vma_open(struct vm_area_struct *vma)
{
	/* ZCL-BEGIN lifetime: a mapping begins
	 * It needs the area (the VMA's private data) until it ends: take a reference.
	 */
	struct daq_area *area = vma->vm_private_data;

	kref_get(&area->users);
	/* ZCL-END lifetime */
}

/* A mapping ends: by munmap(2), exec or the death of the process. */
static void daq_vma_close(struct vm_area_struct *vma)
{
	/* ZCL-BEGIN lifetime: a mapping ends
	 * Give its reference back.
	 */
	daq_area_put(vma->vm_private_data);
	/* ZCL-END lifetime */
}

static const struct vm_operations_struct daq_mapped_ops = {
	.open = daq_vma_open,
	.close = daq_vma_close,
};

static const struct vm_operations_struct daq_fault_ops = {
	.open = daq_vma_open,
	.close = daq_vma_close,
	.fault = daq_fault,
};

static int daq_map_view(struct vm_area_struct *vma, struct daq_area *area, unsigned long view,
			unsigned long first)
{
	vma->vm_private_data = area;
	vma->vm_ops = &daq_mapped_ops;
	switch (view) {
	case DAQ_VIEW_PAGES:
		return daq_map_pages(vma, area, first);
	case DAQ_VIEW_FAULT:
		vma->vm_ops = &daq_fault_ops;
		return 0;
	default:
		return daq_map_pfn(vma, area, first);
	}
}

int daq_mmap(struct file *file, struct vm_area_struct *vma)
{
	unsigned long view = vma->vm_pgoff >> DAQ_VIEW_PAGES_SHIFT;
	unsigned long first = daq_first_page(vma->vm_pgoff);
	struct daq_area *area;
	int err;

	if (view > DAQ_VIEW_REGION)
		return -EINVAL;
	area = daq_area_get(file->private_data, view == DAQ_VIEW_REGION ? DAQ_REGION : DAQ_BUFFER);
	if (IS_ERR(area))
		return PTR_ERR(area);
	err = daq_may_map(vma, area, first);
	if (!err)
		err = daq_map_view(vma, area, view, first);
	/* The kernel does not call open() for the first mapping, nor close() after an error. */
	if (!err)
		daq_vma_open(vma);
	daq_area_put(area);
	return err;
}
