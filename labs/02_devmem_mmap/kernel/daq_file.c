// SPDX-License-Identifier: GPL-2.0-only
/* /dev/daq0: open, read, write, ioctl and release. */
#include <linux/capability.h>
#include <linux/fs.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "daq.h"

static void daq_release(struct kref *users)
{
	kfree(container_of(users, struct daq, users));
}

void daq_put(struct daq *daq)
{
	kref_put(&daq->users, daq_release);
}

/* The device may be unbound while the file is open, and the file must still be able to say so. */
static int daq_open(struct inode *inode, struct file *file)
{
	struct daq *daq = container_of(file->private_data, struct daq, misc);

	/* ZCL-BEGIN lifetime: an open file holds the device's struct
	 * Take a reference for the file.
	 */
	kref_get(&daq->users);
	/* ZCL-END lifetime */
	file->private_data = daq;
	return 0;
}

static int daq_close(struct inode *inode, struct file *file)
{
	/* ZCL-BEGIN lifetime: the last close
	 * Called when the last descriptor is closed and the last mapping is gone: give the file's
	 * reference back.
	 */
	daq_put(file->private_data);
	/* ZCL-END lifetime */
	return 0;
}

/* The copying way: the kernel copies what a mapping would have shown. */
static ssize_t daq_read(struct file *file, char __user *to, size_t count, loff_t *position)
{
	struct daq_area *area = daq_area_get(file->private_data, DAQ_BUFFER);
	ssize_t copied;

	if (IS_ERR(area))
		return PTR_ERR(area);
	copied = simple_read_from_buffer(to, count, position, area->memory, area->bytes);
	daq_area_put(area);
	return copied;
}

/* Stores a test pattern in the buffer; samples come by DMA. */
static ssize_t daq_write(struct file *file, const char __user *from, size_t count,
			 loff_t *position)
{
	struct daq_area *area = daq_area_get(file->private_data, DAQ_BUFFER);
	ssize_t copied;

	if (IS_ERR(area))
		return PTR_ERR(area);
	copied = simple_write_to_buffer(area->memory, area->bytes, position, from, count);
	daq_area_put(area);
	return copied ?: -ENOSPC;
}

static long daq_ioctl_get_area(struct daq *daq, struct daq_area_info __user *argument)
{
	/* ZCL-BEGIN address: tell where an area is
	 * Physical addresses are for those who may use /dev/mem: without CAP_SYS_RAWIO, -EPERM.
	 * Copy the question in (-EFAULT), refuse a `zero` that is not 0 (-EINVAL), look the area
	 * up (daq_area_get(); put it back), copy the answer out. What you copy out must not
	 * contain anything that you did not set.
	 * > return -EOPNOTSUPP;
	 */
	struct daq_area_info info;
	struct daq_area *area;

	if (!capable(CAP_SYS_RAWIO))
		return -EPERM;
	if (copy_from_user(&info, argument, sizeof(info)))
		return -EFAULT;
	if (info.zero)
		return -EINVAL;
	area = daq_area_get(daq, info.area);
	if (IS_ERR(area))
		return PTR_ERR(area);
	info.physical = area->physical;
	info.bytes = area->bytes;
	daq_area_put(area);
	return copy_to_user(argument, &info, sizeof(info)) ? -EFAULT : 0;
	/* ZCL-END address */
}

static long daq_ioctl_copy(struct daq *daq, const struct daq_copy __user *argument)
{
	struct daq_copy copy;
	struct daq_area *area;
	long err = 0;

	if (copy_from_user(&copy, argument, sizeof(copy)))
		return -EFAULT;
	area = daq_area_get(daq, DAQ_BUFFER);
	if (IS_ERR(area))
		return PTR_ERR(area);
	if (!daq_area_holds(area, copy.offset, copy.bytes))
		err = -EINVAL;
	else if (copy_to_user(u64_to_user_ptr(copy.user_address), area->memory + copy.offset,
			      copy.bytes))
		err = -EFAULT;
	daq_area_put(area);
	return err;
}

/* Mappings and operations in progress keep the old buffer until they end. */
static long daq_ioctl_resize(struct daq *daq, unsigned long pages)
{
	struct daq_area *area;
	long err = -ENODEV;

	if (!pages || pages > DAQ_MAX_PAGES)
		return -EINVAL;
	area = daq_buffer_create(pages);
	if (IS_ERR(area))
		return PTR_ERR(area);
	mutex_lock(&daq->lock);
	if (daq->pdev) {
		daq_area_detach(daq, DAQ_BUFFER);
		err = daq_area_attach(daq, DAQ_BUFFER, area);
	} else {
		daq_area_put(area);
	}
	mutex_unlock(&daq->lock);
	return err;
}

static long daq_ioctl(struct file *file, unsigned int command, unsigned long argument)
{
	struct daq *daq = file->private_data;
	void __user *user = (void __user *)argument;
	struct daq_transfer transfer;

	switch (command) {
	case DAQ_GET_AREA:
		return daq_ioctl_get_area(daq, user);
	case DAQ_ACQUIRE:
		if (copy_from_user(&transfer, user, sizeof(transfer)))
			return -EFAULT;
		return daq_acquire(daq, &transfer);
	case DAQ_COPY:
		return daq_ioctl_copy(daq, user);
	case DAQ_RESIZE:
		return file->f_mode & FMODE_WRITE ? daq_ioctl_resize(daq, argument) : -EBADF;
	default:
		return -ENOTTY;
	}
}

const struct file_operations daq_fops = {
	/* ZCL-BEGIN lifetime: the module stays while its files are open
	 * Name the owner of these functions. A mapping holds its file, and the file then holds the
	 * module: unloading is refused while either is there.
	 */
	.owner = THIS_MODULE,
	/* ZCL-END lifetime */
	.open = daq_open,
	.release = daq_close,
	.read = daq_read,
	.write = daq_write,
	.unlocked_ioctl = daq_ioctl,
	.mmap = daq_mmap,
	.llseek = default_llseek,
};
