/* SPDX-License-Identifier: GPL-2.0-only */
/* The module's own types and the functions that its files offer each other. */
#ifndef DAQ_H
#define DAQ_H

#include <linux/completion.h>
#include <linux/interrupt.h>
#include <linux/ioport.h>
#include <linux/kref.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/pci.h>

#include "compat.h"
#include "daq_abi.h"

/*
 * Physically contiguous memory for samples. Its size and place never change: a resize makes a new
 * one. It lives while somebody holds a reference: the device, an operation, or a user's mapping.
 */
struct daq_area {
	struct kref users;
	phys_addr_t physical;
	size_t bytes;
	void *memory;		/* NULL for the region, which the kernel never touches */
	struct resource claim;	/* the region's entry in /proc/iomem */
};

/* One device. Lives while it is bound or a file is open. */
struct daq {
	struct kref users;
	struct mutex lock;	/* everything below; held for the whole of a transfer */
	struct pci_dev *pdev;	/* NULL once the device is gone */
	void __iomem *registers;
	struct daq_area *area[DAQ_AREAS];
	dma_addr_t bus[DAQ_AREAS];	/* what the device calls area[] */
	struct completion done;	/* of a transfer, signalled by the interrupt */
	int id;
	char name[16];
	struct miscdevice misc;
};

/* daq_area.c */
int daq_region_check(phys_addr_t start, u64 bytes);
struct daq_area *daq_region_create(phys_addr_t start, size_t bytes);
struct daq_area *daq_buffer_create(size_t pages);
/* Gives up a reference. NULL and error pointers are allowed. */
void daq_area_put(struct daq_area *area);
int daq_area_attach(struct daq *daq, enum daq_area_id id, struct daq_area *area);
void daq_area_detach(struct daq *daq, enum daq_area_id id);
struct daq_area *daq_area_get(struct daq *daq, u32 id);
/* Whether [offset, offset + bytes) lies inside the area; no sum can overflow. */
static inline bool daq_area_holds(const struct daq_area *area, u64 offset, u64 bytes)
{
	return offset <= area->bytes && bytes <= area->bytes - offset;
}

/* daq_dma.c */
irqreturn_t daq_interrupt(int irq, void *context);
int daq_acquire(struct daq *daq, const struct daq_transfer *transfer);

/* daq_file.c */
extern const struct file_operations daq_fops;
void daq_put(struct daq *daq);

/* daq_mmap.c */
int daq_mmap(struct file *file, struct vm_area_struct *vma);

#endif
