// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* A switch's access port, for kernels whose bridges know no VLANs: compiled with -DVLAN=<tag>; 0: untagged frames alone. */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

/* What the machine sends gets the tag. */
SEC("in")
int from_machine(struct __sk_buff *skb)
{
	if (skb->vlan_present)
		return TC_ACT_SHOT;
	return VLAN && bpf_skb_vlan_push(skb, bpf_htons(0x8100), VLAN) ? TC_ACT_SHOT : TC_ACT_OK;
}

/* It hears what has that tag. */
SEC("out")
int to_machine(struct __sk_buff *skb)
{
	if (!VLAN)
		return skb->vlan_present ? TC_ACT_SHOT : TC_ACT_OK;
	if (!skb->vlan_present || (skb->vlan_tci & 0xfff) != VLAN)
		return TC_ACT_SHOT;
	return bpf_skb_vlan_pop(skb) ? TC_ACT_SHOT : TC_ACT_OK;
}

char heddle_license[] SEC("license") = "Dual BSD/GPL";
