/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * What /dev/daq0 offers to programs: ioctls, mmap offsets and limits. Included by the module and by
 * the programs.
 */
#ifndef DAQ_ABI_H
#define DAQ_ABI_H

#include <linux/ioctl.h>
#include <linux/types.h>

/*
 * The device's own memory holds 4 KiB, but a transfer that touches its last byte is refused by the
 * emulator's range check (QEMU 7.2, hw/misc/edu.c, edu_check_range), which ends the machine.
 */
#define DAQ_DEVICE_BYTES 4095u

/* Memory that can hold samples. */
enum daq_area_id {
	DAQ_BUFFER = 0,	/* allocated by the module: ordinary RAM with struct pages of its own */
	DAQ_REGION = 1,	/* reserved at boot (memmap=): RAM that the kernel does not manage */
	DAQ_AREAS
};

/*
 * An mmap offset is a view (bits 32 and up) and an offset within the area (bits 0 to 31). The views
 * differ in how the module fills the page table, and in nothing else.
 */
#define DAQ_VIEW_SHIFT 32
enum daq_view {
	DAQ_VIEW_PFN = 0,	/* the buffer, remap_pfn_range() at mmap time */
	DAQ_VIEW_FAULT = 1,	/* the buffer, a page at a time when it is first touched */
	DAQ_VIEW_PAGES = 2,	/* the buffer, vm_insert_page() at mmap time */
	DAQ_VIEW_REGION = 3	/* the region, remap_pfn_range() at mmap time */
};

/* Where an area is; `area` is the question, the rest the answer. Needs CAP_SYS_RAWIO. */
struct daq_area_info {
	__u32 area;	/* enum daq_area_id */
	__u32 zero;	/* must be 0 */
	__u64 physical;	/* bytes, page aligned */
	__u64 bytes;
};

/* One transfer of the device's DMA engine into an area. Returns when it is complete. */
struct daq_transfer {
	__u32 area;		/* enum daq_area_id */
	__u32 device_offset;	/* first byte in the device's memory */
	__u32 bytes;		/* 1 to DAQ_DEVICE_BYTES - device_offset */
	__u32 zero;		/* must be 0 */
	__u64 area_offset;	/* first byte in the area */
};

/* The copying way: bytes of the buffer, copied to user memory. */
struct daq_copy {
	__u64 user_address;
	__u64 offset;
	__u64 bytes;
};

#define DAQ_GET_AREA _IOWR('q', 1, struct daq_area_info)
#define DAQ_ACQUIRE _IOW('q', 2, struct daq_transfer)
#define DAQ_COPY _IOW('q', 3, struct daq_copy)
/* A new buffer of `argument` pages; mappings of the old one keep the old one. Needs write access. */
#define DAQ_RESIZE _IO('q', 4)

#define DAQ_MAX_PAGES 512

/* What daq_probe puts around a loop that is measured (count_mark.hh). */
#define DAQ_MARK_BEGIN 0x0201
#define DAQ_MARK_END 0x0202

#endif
