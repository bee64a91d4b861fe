/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The slow path out: the kernel's VXLAN device in external mode encapsulates. */
#pragma once
#include "count.h"

inline_always void tunnel_key(struct bpf_tunnel_key *key, struct hd_vtep *to, __u32 vni, __u8 tos,
			      const __u8 ttl)
{
	key->tunnel_id = vni;
	key->tunnel_tos = tos;
	key->tunnel_ttl = ttl;
	if (to->flags & HD_VTEP_IP6) {
		ip6_copy(key->remote_ipv6, to->remote);
		ip6_copy(key->local_ipv6, to->local);
	} else {
		key->remote_ipv4 = bpf_ntohl(to->remote[0]);
		key->local_ipv4 = bpf_ntohl(to->local[0]);
	}
}

/* Tells the VXLAN device where to. Kernels before 6.0 know no local address in the key; they take the shorter one. */
inline_always bool set_tunnel_key(struct __sk_buff *skb, struct hd_vtep *to, __u32 vni, __u8 tos,
				  const __u8 ttl)
{
	struct bpf_tunnel_key key = {};
	__u64 flags = to->flags & HD_VTEP_IP6 ? BPF_F_TUNINFO_IPV6 : BPF_F_ZERO_CSUM_TX | BPF_F_DONT_FRAGMENT;

	tunnel_key(&key, to, vni, tos, ttl);
	return !bpf_skb_set_tunnel_key(skb, &key, sizeof(key), flags) ||
	       !bpf_skb_set_tunnel_key(skb, &key, offsetof(struct bpf_tunnel_key, local_ipv4), flags);
}

inline_always int send_slow(struct __sk_buff *skb, __u32 slot, struct hd_vtep *to, __u32 vni, __u8 tos,
			    const __u8 ttl)
{
	struct hd_config *config = config_row();

	if (!config || !config->vxlan_ifindex || !set_tunnel_key(skb, to, vni, tos, ttl))
		return drop(slot, HD_ENCAP_FAILED);
	count_tx(slot, skb->len);
	count(slot, HD_SLOW_TX);
	skb->mark = HD_MARK;
	return bpf_redirect(config->vxlan_ifindex, 0);
}
