/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Whether a physical segment's frames pass here: of two hosts that serve one, only one may forward, and not after its agent died. */
#pragma once
#include "count.h"

/* By the segment's slot. */
inline_always bool gate_open(__u32 slot)
{
	struct hd_gate *gate = bpf_map_lookup_elem(&gates, &slot);

	return gate && (!gate->until || bpf_ktime_get_ns() < gate->until);
}
