// SPDX-License-Identifier: GPL-2.0-only
/*
 * daq: data acquisition from QEMU's `edu` PCI device.
 *
 * The device's DMA engine writes samples into memory that programs reach through /dev/daq0: copied
 * by read(2) or an ioctl, or mapped in three ways. This file binds to the device and lets go of it.
 *
 * What this driver does not do: it never writes to the device's memory, does not use the factorial
 * unit, and knows nothing about networks. A program sends the samples (user/sample_sender.cc).
 */
#include <linux/dma-mapping.h>
#include <linux/idr.h>
#include <linux/module.h>
#include <linux/slab.h>

#include "daq.h"

#define EDU_VENDOR 0x1234
#define EDU_DEVICE 0x11e8
#define EDU_DMA_BITS 28	/* the device's address lines; dma_mask= of the QEMU device */

static unsigned long long region_start;
module_param(region_start, ullong, 0444);
MODULE_PARM_DESC(region_start, "physical address of memory reserved at boot (memmap=)");

static unsigned long long region_bytes;
module_param(region_bytes, ullong, 0444);
MODULE_PARM_DESC(region_bytes, "its size; 0: no region");

static unsigned int buffer_pages = 256;
module_param(buffer_pages, uint, 0444);
MODULE_PARM_DESC(buffer_pages, "size of the buffer, 1 to 512 pages");

static bool msi = true;
module_param(msi, bool, 0444);
MODULE_PARM_DESC(msi, "message-signalled interrupts; false: the PCI bus's interrupt line");

static DEFINE_IDA(daq_ids);

/* The first device gets the region; insert_resource() refuses it to a second one. */
static int daq_create_areas(struct daq *daq)
{
	int err;

	err = daq_area_attach(daq, DAQ_BUFFER, daq_buffer_create(buffer_pages));
	if (err || !region_bytes)
		return err;
	err = daq_area_attach(daq, DAQ_REGION, daq_region_create(region_start, region_bytes));
	if (err)
		daq_area_detach(daq, DAQ_BUFFER);
	return err;
}

static void daq_destroy_areas(struct daq *daq)
{
	daq_area_detach(daq, DAQ_REGION);
	daq_area_detach(daq, DAQ_BUFFER);
}

static struct daq *daq_create(struct pci_dev *pdev)
{
	struct daq *daq = kzalloc(sizeof(*daq), GFP_KERNEL);

	if (!daq)
		return NULL;
	kref_init(&daq->users);
	mutex_init(&daq->lock);
	init_completion(&daq->done);
	daq->pdev = pdev;
	return daq;
}

static int daq_register_node(struct daq *daq)
{
	int err;

	daq->id = ida_alloc(&daq_ids, GFP_KERNEL);
	if (daq->id < 0)
		return daq->id;
	snprintf(daq->name, sizeof(daq->name), "daq%d", daq->id);
	daq->misc.minor = MISC_DYNAMIC_MINOR;
	daq->misc.name = daq->name;
	daq->misc.fops = &daq_fops;
	daq->misc.parent = &daq->pdev->dev;
	daq->misc.mode = 0644;
	err = misc_register(&daq->misc);
	if (err)
		ida_free(&daq_ids, daq->id);
	return err;
}

static int daq_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	struct daq *daq = daq_create(pdev);
	int err;

	if (!daq)
		return -ENOMEM;
	err = pci_enable_device(pdev);
	if (err)
		goto err_put;
	err = dma_set_mask_and_coherent(&pdev->dev, DMA_BIT_MASK(EDU_DMA_BITS));
	if (err)
		goto err_disable;
	err = pci_request_regions(pdev, "daq");
	if (err)
		goto err_disable;
	daq->registers = pci_iomap(pdev, 0, 0);
	if (!daq->registers) {
		err = -ENOMEM;
		goto err_release_regions;
	}
	err = daq_create_areas(daq);
	if (err)
		goto err_unmap;
	pci_set_master(pdev);
	err = pci_alloc_irq_vectors(pdev, 1, 1, msi ? PCI_IRQ_ALL_TYPES : PCI_IRQ_LEGACY);
	if (err < 0)
		goto err_destroy_areas;
	err = request_irq(pci_irq_vector(pdev, 0), daq_interrupt, IRQF_SHARED, "daq", daq);
	if (err)
		goto err_free_vectors;
	pci_set_drvdata(pdev, daq);
	err = daq_register_node(daq);
	if (err)
		goto err_free_irq;
	return 0;

err_free_irq:
	free_irq(pci_irq_vector(pdev, 0), daq);
err_free_vectors:
	pci_free_irq_vectors(pdev);
err_destroy_areas:
	pci_clear_master(pdev);
	daq_destroy_areas(daq);
err_unmap:
	pci_iounmap(pdev, daq->registers);
err_release_regions:
	pci_release_regions(pdev);
err_disable:
	pci_disable_device(pdev);
err_put:
	daq_put(daq);
	return dev_err_probe(&pdev->dev, err, "cannot be used\n");
}

/*
 * Files may still be open and areas mapped: both hold references, so only what belongs to the
 * device itself goes now. Clearing bus mastering comes before the DMA mappings end, so that the
 * device can no longer write, even if it hangs in the middle of a transfer.
 */
static void daq_remove(struct pci_dev *pdev)
{
	struct daq *daq = pci_get_drvdata(pdev);

	misc_deregister(&daq->misc);
	ida_free(&daq_ids, daq->id);
	mutex_lock(&daq->lock);
	pci_clear_master(pdev);
	free_irq(pci_irq_vector(pdev, 0), daq);
	pci_free_irq_vectors(pdev);
	daq_destroy_areas(daq);
	pci_iounmap(pdev, daq->registers);
	daq->pdev = NULL;
	mutex_unlock(&daq->lock);
	pci_release_regions(pdev);
	pci_disable_device(pdev);
	daq_put(daq);
}

static const struct pci_device_id daq_devices[] = {
	{ PCI_DEVICE(EDU_VENDOR, EDU_DEVICE) },
	{ }
};
MODULE_DEVICE_TABLE(pci, daq_devices);

static struct pci_driver daq_driver = {
	.name = "daq",
	.id_table = daq_devices,
	.probe = daq_probe,
	.remove = daq_remove,
};

static int __init daq_init(void)
{
	int err;

	if (!buffer_pages || buffer_pages > DAQ_MAX_PAGES)
		return -EINVAL;
	if (region_bytes) {
		err = daq_region_check(region_start, region_bytes);
		if (err)
			return err;
	}
	return pci_register_driver(&daq_driver);
}
module_init(daq_init);

static void __exit daq_exit(void)
{
	pci_unregister_driver(&daq_driver);
	ida_destroy(&daq_ids);
}
module_exit(daq_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Zero-Copy Labs 02: samples of the edu device in memory that programs map");
