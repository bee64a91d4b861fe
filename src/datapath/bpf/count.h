/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Counters: traffic by slot (per CPU, every packet), tally by slot and reason (drops and events). */
#pragma once
#include "base.h"

/*
 * A full tally loses the count, never the verdict. Global, as all functions that are not static: the verifier looks at it once,
 * and not for every way that leads to it.
 */
__noinline int count(__u32 slot, __u32 reason)
{
	struct hd_tally_key key = { .slot = slot, .reason = reason };
	struct hd_tally first = { .packets = 1 };
	struct hd_tally *row = bpf_map_lookup_elem(&tally, &key);

	if (!row) {
		if (!bpf_map_update_elem(&tally, &key, &first, BPF_NOEXIST))
			return 0;
		row = bpf_map_lookup_elem(&tally, &key); /* another CPU was first, or the map is full */
		if (!row)
			return 0;
	}
	__sync_fetch_and_add(&row->packets, 1);
	return 0;
}

inline_always int drop(__u32 slot, __u32 reason)
{
	count(slot, reason);
	return TC_ACT_SHOT;
}

/* Packets and bytes that a port sent; bytes from the Ethernet header on. */
inline_always void count_tx(__u32 slot, __u32 bytes)
{
	struct hd_traffic *row = bpf_map_lookup_elem(&traffic, &slot);

	if (row) {
		row->tx_packets++;
		row->tx_bytes += bytes;
	}
}

inline_always void count_rx(__u32 slot, __u32 bytes)
{
	struct hd_traffic *row = bpf_map_lookup_elem(&traffic, &slot);

	if (row) {
		row->rx_packets++;
		row->rx_bytes += bytes;
	}
}
