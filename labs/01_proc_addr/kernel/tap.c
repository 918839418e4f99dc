// SPDX-License-Identifier: GPL-2.0-only
/*
 * Captures what a network interface receives, its driver untouched (article row A5).
 *
 * The article called its copy routine in the driver, right after netif_rx(skb). There the socket
 * buffer belongs to the stack, which may have freed it, and skb->data stands 14 bytes into the
 * frame, because eth_type_trans() pulled the Ethernet header. Here the stack itself calls us: a
 * packet handler for all protocols, bound to one interface, is the hook that the kernel documents
 * for this (tcpdump uses it too). It holds a reference on the buffer while we look, takes no frame
 * away from anybody, and there may be any number of handlers; an rx_handler would be the only one of
 * its interface, and a probe would depend on the names of internal functions.
 */
#include <linux/if_ether.h>
#include <linux/netdevice.h>
#include <linux/rtnetlink.h>
#include <linux/skbuff.h>
#include <net/net_namespace.h>

#include "device.h"

static int tap_receive(struct sk_buff *skb, struct net_device *dev, struct packet_type *handler,
		       struct net_device *orig_dev)
{
	struct nf_tap *tap = container_of(handler, struct nf_tap, handler);
	struct nf_device *device = container_of(tap, struct nf_device, tap);
	unsigned int before = tap->as_article ? 0 : skb->data - skb_mac_header(skb);

	if (skb->pkt_type != PACKET_OUTGOING) {
		WRITE_ONCE(tap->frames, tap->frames + 1);
		nf_device_write_skb(device, skb, before);
	}
	consume_skb(skb);
	return NET_RX_SUCCESS;
}

/* The interface goes away: let go of it, or its removal would wait for us for ever. */
static int tap_notify(struct notifier_block *notifier, unsigned long event, void *info)
{
	struct nf_tap *tap = container_of(notifier, struct nf_tap, notifier);

	if (event == NETDEV_UNREGISTER && netdev_notifier_info_to_dev(info) == tap->dev) {
		dev_remove_pack(&tap->handler);
		dev_put(tap->dev);
		tap->dev = NULL;
	}
	return NOTIFY_DONE;
}

int nf_tap_start(struct nf_tap *tap, const char *name, bool as_article)
{
	struct net_device *dev = dev_get_by_name(&init_net, name);
	int err;

	if (!dev)
		return -ENODEV;
	tap->as_article = as_article;
	tap->handler.type = htons(ETH_P_ALL);
	tap->handler.func = tap_receive;
	tap->handler.dev = dev;
	tap->notifier.notifier_call = tap_notify;
	err = register_netdevice_notifier(&tap->notifier);
	if (err)
		goto err_put_device;

	rtnl_lock();
	if (dev->reg_state == NETREG_REGISTERED) {
		tap->dev = dev;
		dev_add_pack(&tap->handler);
	}
	rtnl_unlock();
	if (!tap->dev) {
		err = -ENODEV;
		goto err_unregister_notifier;
	}
	return 0;

err_unregister_notifier:
	unregister_netdevice_notifier(&tap->notifier);
err_put_device:
	dev_put(dev);
	return err;
}

void nf_tap_stop(struct nf_tap *tap)
{
	if (!tap->notifier.notifier_call)
		return;
	/* Sends us NETDEV_UNREGISTER for every interface, which lets go of ours. */
	unregister_netdevice_notifier(&tap->notifier);
	tap->notifier.notifier_call = NULL;
}
