// SPDX-License-Identifier: GPL-2.0-only
/*
 * Split mode's question: ring or stack? The program can write to the packet while it is judged, so
 * each field is read once, and a BPF program runs over a private copy.
 */
#include <linux/etherdevice.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/udp.h>

#include "zcl_port_inline.h"
#include "ring_internal.h"

static bool zcl_filter_ethertype(const void *data, u32 length, __be16 type)
{
	return length >= ETH_HLEN && READ_ONCE(((const struct ethhdr *)data)->h_proto) == type;
}

static bool zcl_filter_udp_at(const void *data, u32 length, u32 offset, __be16 port)
{
	const struct udphdr *udp = data + offset;

	return length >= offset + sizeof(*udp) && READ_ONCE(udp->dest) == port;
}

static bool zcl_filter_udp4(const void *data, u32 length, __be16 port)
{
	const struct iphdr *ip = data + ETH_HLEN;

	/* Without options; and only a packet's first fragment has ports. */
	return length >= ETH_HLEN + sizeof(*ip) && READ_ONCE(*(const u8 *)ip) == 0x45 &&
	       READ_ONCE(ip->protocol) == IPPROTO_UDP &&
	       !(READ_ONCE(ip->frag_off) & htons(0x1fff)) &&
	       zcl_filter_udp_at(data, length, ETH_HLEN + sizeof(*ip), port);
}

static bool zcl_filter_udp6(const void *data, u32 length, __be16 port)
{
	const struct ipv6hdr *ip = data + ETH_HLEN;

	return length >= ETH_HLEN + sizeof(*ip) && READ_ONCE(ip->nexthdr) == IPPROTO_UDP &&
	       zcl_filter_udp_at(data, length, ETH_HLEN + sizeof(*ip), port);
}

static bool zcl_filter_udp(const void *data, u32 length, __be16 port)
{
	if (zcl_filter_ethertype(data, length, htons(ETH_P_IP)))
		return zcl_filter_udp4(data, length, port);
	if (zcl_filter_ethertype(data, length, htons(ETH_P_IPV6)))
		return zcl_filter_udp6(data, length, port);
	return false;
}

static bool zcl_filter_bpf(struct zcl_ring *ring, const void *data, u32 length,
			   const struct bpf_prog *program)
{
	struct sk_buff *copy = ring->filter_packet;

	if (length < ETH_HLEN)
		return false;
	skb_trim(copy, 0);
	skb_put_data(copy, data, min(length, ZCL_FILTER_BYTES));
	skb_reset_mac_header(copy);
	skb_set_network_header(copy, ETH_HLEN);
	copy->protocol = eth_hdr(copy)->h_proto;
	return bpf_prog_run_clear_cb(program, copy);
}

static bool zcl_filter_judge(struct zcl_ring *ring, const struct zcl_filter_rule *rule,
			     const void *data, u32 length)
{
	switch (rule->kind) {
	case ZCL_FILTER_ETHERTYPE:
		return zcl_filter_ethertype(data, length, rule->value);
	case ZCL_FILTER_UDP_PORT:
		return zcl_filter_udp(data, length, rule->value);
	case ZCL_FILTER_BPF:
		return zcl_filter_bpf(ring, data, length, rule->program);
	default:
		return false;
	}
}

/* Bottom halves are off, as in every receive pass. */
bool zcl_ring_filter(struct zcl_ring *ring, const void *data, u32 length)
{
	const struct zcl_filter_rule *rule;
	bool wanted;

	rcu_read_lock();
	rule = rcu_dereference(ring->filter);
	wanted = rule && zcl_filter_judge(ring, rule, data, length);
	rcu_read_unlock();
	if (!wanted)
		ring->filtered++;
	return wanted;
}
EXPORT_SYMBOL_GPL(zcl_ring_filter);

static int zcl_filter_create_bpf(struct zcl_filter_rule *rule, const struct zcl_filter *filter)
{
	struct sock_fprog program;

	if (copy_from_user(&program, u64_to_user_ptr(filter->program), sizeof(program)))
		return -EFAULT;
	return bpf_prog_create_from_user(&rule->program, &program, NULL, false);
}

struct zcl_filter_rule *zcl_filter_create(const struct zcl_filter *filter)
{
	struct zcl_filter_rule *rule;
	int err = 0;

	if (filter->kind > ZCL_FILTER_BPF || filter->value > U16_MAX)
		return ERR_PTR(-EINVAL);
	if (filter->kind == ZCL_FILTER_NONE)
		return NULL;
	rule = kzalloc(sizeof(*rule), GFP_KERNEL);
	if (!rule)
		return ERR_PTR(-ENOMEM);
	rule->kind = filter->kind;
	rule->value = htons((u16)filter->value);
	if (rule->kind == ZCL_FILTER_BPF)
		err = zcl_filter_create_bpf(rule, filter);
	if (err) {
		kfree(rule);
		return ERR_PTR(err);
	}
	return rule;
}

/* Nobody uses it any more. NULL is allowed. */
void zcl_filter_destroy(struct zcl_filter_rule *rule)
{
	if (rule && rule->program)
		bpf_prog_destroy(rule->program);
	kfree(rule);
}
