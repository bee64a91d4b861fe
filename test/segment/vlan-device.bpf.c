// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What an 802.1Q device does, for kernels without: compiled with -DVLAN=<tag> -DWIRE=<ifindex> -DDEVICE=<ifindex>. */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

/* What leaves by the device goes out on the wire with the tag. */
SEC("tag")
int to_wire(struct __sk_buff *skb)
{
	return bpf_skb_vlan_push(skb, bpf_htons(0x8100), VLAN) ? TC_ACT_SHOT : bpf_redirect(WIRE, 0);
}

/* What comes from the wire with the tag is the device's. */
SEC("untag")
int from_wire(struct __sk_buff *skb)
{
	if (!skb->vlan_present || (skb->vlan_tci & 0xfff) != VLAN)
		return TC_ACT_OK;
	return bpf_skb_vlan_pop(skb) ? TC_ACT_SHOT : bpf_redirect(DEVICE, 0);
}

char heddle_license[] SEC("license") = "Dual BSD/GPL";
