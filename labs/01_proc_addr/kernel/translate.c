// SPDX-License-Identifier: GPL-2.0-only
/*
 * Four ways to turn an address into another, and when each is wrong (article row A6):
 *	virtual - 3 GiB		the article's rule; true on a 32-bit kernel with its usual split
 *	virt_to_phys(), __pa()	true in the direct map only
 *	__pa() of vmalloc	a number without a meaning; nothing warns in a stock kernel
 *	dma_map_single()	what a device must be given: behind an IOMMU another number
 */
#include <linux/dma-mapping.h>
#include <linux/io.h>
#include <linux/mm.h>
#include <linux/pci.h>
#include <linux/seq_file.h>
#include <linux/sizes.h>
#include <linux/vmalloc.h>

#include "device.h"

#define NF_PCI_DEVICE_82540EM 0x100e

static int map_for_nic(struct nf_device *device)
{
	struct nf_translate *translate = &device->translate;
	struct pci_dev *pci = pci_get_device(PCI_VENDOR_ID_INTEL, NF_PCI_DEVICE_82540EM, NULL);

	if (!pci)
		return -ENODEV;
	translate->dma = dma_map_single(&pci->dev, device->buffer.blocks[0].virt, PAGE_SIZE,
					DMA_FROM_DEVICE);
	if (dma_mapping_error(&pci->dev, translate->dma)) {
		pci_dev_put(pci);
		return -EIO;
	}
	translate->pci = pci;
	return 0;
}

int nf_translate_start(struct nf_device *device, const u8 mark[16])
{
	struct nf_translate *translate = &device->translate;
	int err;

	translate->vmalloc_page = vzalloc(PAGE_SIZE);
	if (!translate->vmalloc_page)
		return -ENOMEM;
	memcpy(translate->vmalloc_page, mark, 16);
	err = map_for_nic(device);
	if (err)
		goto err_free_page;
	return 0;

err_free_page:
	vfree(translate->vmalloc_page);
	translate->vmalloc_page = NULL;
	return err;
}

void nf_translate_stop(struct nf_device *device)
{
	struct nf_translate *translate = &device->translate;

	if (translate->pci) {
		dma_unmap_single(&translate->pci->dev, translate->dma, PAGE_SIZE, DMA_FROM_DEVICE);
		pci_dev_put(translate->pci);
		translate->pci = NULL;
	}
	vfree(translate->vmalloc_page);
	translate->vmalloc_page = NULL;
}

void nf_translate_show(const struct nf_device *device, struct seq_file *file)
{
	const struct nf_translate *translate = &device->translate;
	const void *block = device->buffer.blocks[0].virt;

	if (!translate->vmalloc_page)
		return;
	seq_printf(file, "block_virtual %lu\n", (unsigned long)block);
	seq_printf(file, "block_physical %llu\n", (unsigned long long)virt_to_phys((void *)block));
	seq_printf(file, "block_minus_3_gib %lu\n", (unsigned long)block - 3UL * SZ_1G);
	seq_printf(file, "block_is_vmalloc %d\n", is_vmalloc_addr(block));
	seq_printf(file, "block_dma %llu\n", (unsigned long long)translate->dma);
	seq_printf(file, "vmalloc_virtual %lu\n", (unsigned long)translate->vmalloc_page);
	seq_printf(file, "vmalloc_pa %lu\n", (unsigned long)__pa(translate->vmalloc_page));
	seq_printf(file, "vmalloc_physical %llu\n",
		   (unsigned long long)page_to_phys(vmalloc_to_page(translate->vmalloc_page)));
	seq_printf(file, "vmalloc_is_vmalloc %d\n", is_vmalloc_addr(translate->vmalloc_page));
}
