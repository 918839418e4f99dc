// SPDX-License-Identifier: GPL-2.0-only
/*
 * Asks the edu device for a DMA transfer of 4096 bytes, at which QEMU 7.2 aborts: its bounds
 * check counts the end of the buffer as outside.
 */
#include <linux/module.h>
#include <linux/bits.h>
#include <linux/io.h>
#include <linux/pci.h>

/* QEMU, docs/specs/edu.txt */
#define EDU_DMA_SOURCE 0x80
#define EDU_DMA_DESTINATION 0x88
#define EDU_DMA_COUNT 0x90
#define EDU_DMA_COMMAND 0x98
#define EDU_DMA_START BIT(0)
#define EDU_DMA_BUFFER 0x40000

static int __init fault_edu_init(void)
{
	struct pci_dev *pdev = pci_get_device(0x1234, 0x11e8, NULL);
	void __iomem *registers;

	if (!pdev)
		return -ENODEV;
	if (pci_enable_device(pdev))
		return -EIO;
	pci_set_master(pdev);
	registers = pci_iomap(pdev, 0, 0);
	if (!registers)
		return -ENOMEM;
	writeq(0x100000, registers + EDU_DMA_SOURCE);
	writeq(EDU_DMA_BUFFER, registers + EDU_DMA_DESTINATION);
	writeq(4096, registers + EDU_DMA_COUNT);
	writeq(EDU_DMA_START, registers + EDU_DMA_COMMAND);
	return 0;
}
module_init(fault_edu_init);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("kills QEMU through edu");
