// SPDX-License-Identifier: GPL-2.0-only
/*
 * The device's DMA engine and its interrupt.
 * Source: QEMU docs/specs/edu.txt.
 */
#include <linux/dma-mapping.h>
#include <linux/io-64-nonatomic-lo-hi.h>

#include "daq.h"

enum daq_register {
	DAQ_IRQ_STATUS = 0x24,	/* 32 bits, read: causes not yet acknowledged */
	DAQ_IRQ_ACK = 0x64,	/* 32 bits, write: causes to clear; the line falls with the last */
	DAQ_DMA_SOURCE = 0x80,	/* 64 bits */
	DAQ_DMA_TARGET = 0x88,	/* 64 bits */
	DAQ_DMA_BYTES = 0x90,	/* 64 bits */
	DAQ_DMA_COMMAND = 0x98,	/* 64 bits; reads as running while bit 0 is set */
};

#define DAQ_COMMAND_START BIT(0)
#define DAQ_COMMAND_TO_RAM BIT(1)	/* else from RAM to the device */
#define DAQ_COMMAND_IRQ BIT(2)	/* raise DAQ_CAUSE_DMA at the end */
#define DAQ_CAUSE_DMA BIT(8)
#define DAQ_DEVICE_MEMORY 0x40000	/* where the engine sees the device's own memory */

/*
 * Called for every interrupt of the line, which other devices may share. All bits set is what a
 * device answers that is no longer there.
 */
irqreturn_t daq_interrupt(int irq, void *context)
{
	/* ZCL-BEGIN dma: the interrupt
	 * Read the causes. None, or all bits set: the interrupt is not ours, say IRQ_NONE. Else
	 * acknowledge exactly the causes that were read (or the line never falls), wake the waiter
	 * of daq->done if the DMA cause is among them, and say IRQ_HANDLED.
	 * > return IRQ_NONE;
	 */
	struct daq *daq = context;
	u32 causes = readl(daq->registers + DAQ_IRQ_STATUS);

	if (!causes || causes == U32_MAX)
		return IRQ_NONE;
	writel(causes, daq->registers + DAQ_IRQ_ACK);
	if (causes & DAQ_CAUSE_DMA)
		complete(&daq->done);
	return IRQ_HANDLED;
	/* ZCL-END dma */
}

/*
 * One transfer, with daq->lock held and a device present. Sleeps until it is complete: 100 ms.
 * A device that does not answer within a second is cut off from the bus for good, because it could
 * still write later, into memory that has a new owner by then.
 */
static int daq_run_engine(struct daq *daq, u32 device_offset, dma_addr_t target, u32 bytes)
{
	/* ZCL-BEGIN dma: program the engine
	 * Prepare daq->done (reinit_completion()), write source (the device's memory starts at
	 * DAQ_DEVICE_MEMORY), target and byte count with writeq(), the command last: start, to RAM,
	 * with interrupt. Then wait with wait_for_completion_timeout(); on timeout
	 * pci_clear_master() and -ETIMEDOUT.
	 * > return -EOPNOTSUPP;
	 */
	reinit_completion(&daq->done);
	writeq(DAQ_DEVICE_MEMORY + device_offset, daq->registers + DAQ_DMA_SOURCE);
	writeq(target, daq->registers + DAQ_DMA_TARGET);
	writeq(bytes, daq->registers + DAQ_DMA_BYTES);
	writeq(DAQ_COMMAND_START | DAQ_COMMAND_TO_RAM | DAQ_COMMAND_IRQ,
	       daq->registers + DAQ_DMA_COMMAND);
	if (!wait_for_completion_timeout(&daq->done, HZ)) {
		pci_clear_master(daq->pdev);
		return -ETIMEDOUT;
	}
	return 0;
	/* ZCL-END dma */
}

/* Serves DAQ_ACQUIRE; everything in `transfer` is what a program asked for. */
int daq_acquire(struct daq *daq, const struct daq_transfer *transfer)
{
	/* ZCL-BEGIN dma: check the request and hand the memory over
	 * Refuse with -EINVAL: an unknown area, a `zero` that is not 0, no bytes, bytes beyond
	 * DAQ_DEVICE_BYTES of the device's memory (the sum may overflow), bytes beyond the area
	 * (daq_area_holds()). With daq->lock held: -ENODEV where the device or the area is gone.
	 * Give the part of the area to the device (dma_sync_single_for_device()), run the engine,
	 * and take it back (dma_sync_single_for_cpu()). The device wants daq->bus[], not the
	 * physical address: behind an IOMMU they differ.
	 * > (void)daq_run_engine;
	 * > return -EOPNOTSUPP;
	 */
	struct daq_area *area;
	dma_addr_t target;
	int err = -ENODEV;

	if (transfer->area >= DAQ_AREAS || transfer->zero)
		return -EINVAL;
	if (!transfer->bytes || transfer->bytes > DAQ_DEVICE_BYTES ||
	    transfer->device_offset > DAQ_DEVICE_BYTES - transfer->bytes)
		return -EINVAL;

	mutex_lock(&daq->lock);
	area = daq->area[transfer->area];
	if (!daq->pdev || !area)
		goto out_unlock;
	err = -EINVAL;
	if (!daq_area_holds(area, transfer->area_offset, transfer->bytes))
		goto out_unlock;
	target = daq->bus[transfer->area] + transfer->area_offset;
	dma_sync_single_for_device(&daq->pdev->dev, target, transfer->bytes, DMA_FROM_DEVICE);
	err = daq_run_engine(daq, transfer->device_offset, target, transfer->bytes);
	dma_sync_single_for_cpu(&daq->pdev->dev, target, transfer->bytes, DMA_FROM_DEVICE);
out_unlock:
	mutex_unlock(&daq->lock);
	return err;
	/* ZCL-END dma */
}
