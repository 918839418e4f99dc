// SPDX-License-Identifier: GPL-2.0-only
/*
 * zcl_ring: packets between NIC drivers and programs through shared memory. This file registers
 * ports: each has a device node /dev/zclN and a file /proc/zcl/<interface>.
 *
 * What this module does not do: it touches no hardware and knows no chip (zcl_port.h is all that it
 * asks of a driver), it has one ring for each NIC, and it starts no threads of its own.
 */
#include <linux/idr.h>
#include <linux/module.h>
#include <linux/slab.h>

#include "zcl_port_inline.h"
#include "ring_internal.h"

#define ZCL_MAX_PORTS 64

static DEFINE_IDA(zcl_ids);
static dev_t zcl_first;
static struct class *zcl_class;
static struct proc_dir_entry *zcl_proc;

static void zcl_node_release(struct device *device)
{
	struct zcl_node *node = container_of(device, struct zcl_node, device);

	ida_free(&zcl_ids, MINOR(device->devt));
	kfree(node);
}

static struct zcl_node *zcl_node_create(struct zcl_port *port)
{
	struct zcl_node *node = kzalloc(sizeof(*node), GFP_KERNEL);
	int id;

	if (!node)
		return ERR_PTR(-ENOMEM);
	id = ida_alloc_max(&zcl_ids, ZCL_MAX_PORTS - 1, GFP_KERNEL);
	if (id < 0) {
		kfree(node);
		return ERR_PTR(id);
	}
	mutex_init(&node->lock);
	node->port = port;
	device_initialize(&node->device);
	node->device.class = zcl_class;
	node->device.devt = MKDEV(MAJOR(zcl_first), id);
	node->device.parent = port->netdev->dev.parent;
	node->device.release = zcl_node_release;
	cdev_init(&node->cdev, &zcl_fops);
	node->cdev.owner = THIS_MODULE;
	return node;
}

int zcl_port_register(struct zcl_port *port)
{
	struct zcl_node *node = zcl_node_create(port);
	int err;

	if (IS_ERR(node))
		return PTR_ERR(node);
	err = dev_set_name(&node->device, "zcl%d", MINOR(node->device.devt));
	if (err)
		goto err_put;
	port->ring = NULL;
	port->node = node;
	node->proc = proc_create_data(port->netdev->name, 0400, zcl_proc, &zcl_proc_ops, node);
	if (!node->proc) {
		err = -ENOMEM;
		goto err_put;
	}
	err = cdev_device_add(&node->cdev, &node->device);
	if (err)
		goto err_remove_proc;
	return 0;

err_remove_proc:
	proc_remove(node->proc);
err_put:
	port->node = NULL;
	put_device(&node->device);
	return err;
}
EXPORT_SYMBOL_GPL(zcl_port_register);

/* Files may be open and memory mapped: node and ring stay for them, the port does not. */
void zcl_port_unregister(struct zcl_port *port)
{
	struct zcl_node *node = port->node;

	cdev_device_del(&node->cdev, &node->device);
	proc_remove(node->proc);
	mutex_lock(&node->lock);
	if (node->owner)
		zcl_ring_detach(node);
	node->port = NULL;
	mutex_unlock(&node->lock);
	port->node = NULL;
	put_device(&node->device);
}
EXPORT_SYMBOL_GPL(zcl_port_unregister);

static int __init zcl_ring_init(void)
{
	int err = alloc_chrdev_region(&zcl_first, 0, ZCL_MAX_PORTS, "zcl");

	if (err)
		return err;
	zcl_class = zcl_class_create("zcl");
	if (IS_ERR(zcl_class)) {
		err = PTR_ERR(zcl_class);
		goto err_unregister_region;
	}
	zcl_proc = proc_mkdir("zcl", NULL);
	if (!zcl_proc) {
		err = -ENOMEM;
		goto err_destroy_class;
	}
	return 0;

err_destroy_class:
	class_destroy(zcl_class);
err_unregister_region:
	unregister_chrdev_region(zcl_first, ZCL_MAX_PORTS);
	return err;
}
module_init(zcl_ring_init);

static void __exit zcl_ring_exit(void)
{
	proc_remove(zcl_proc);
	class_destroy(zcl_class);
	unregister_chrdev_region(zcl_first, ZCL_MAX_PORTS);
	ida_destroy(&zcl_ids);
}
module_exit(zcl_ring_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Zero-Copy Labs 03: a ring page and a pool of buffers, for any NIC driver");
