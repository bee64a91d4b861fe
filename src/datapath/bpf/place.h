/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Where a station is now. Machines on a physical segment are at a place, whose one row says which host forwards for all of
 * them: who has no such number never looks there.
 */
#pragma once
#include "base.h"

inline_always bool is_place(__u32 host)
{
	return host >= HD_PLACE_FIRST;
}

inline_always struct hd_place *place_row(__u32 number)
{
	__u32 index = number - HD_PLACE_FIRST;

	return bpf_map_lookup_elem(&places, &index);
}

/* Of a MAC: `ifindex`: its device, if it is on this host; `host`: where it is; `other`: its second host, or 0. */
struct spot {
	__u32 host;
	__u32 other;
	__u32 ifindex;
};

inline_always struct spot spot_of(struct hd_fdb *to)
{
	struct spot at = { .host = to->host, .other = to->other, .ifindex = to->ifindex };

	if (is_place(to->host)) {
		struct hd_place *place = place_row(to->host);

		at.host = place ? place->host : 0;
		at.other = place ? place->other : 0;
		at.ifindex = place ? place->ifindex : 0;
	}
	return at;
}

/* The device that a station is wired to here, whether it is on this host or stands by; 0: none. */
inline_always __u32 wire_of(struct hd_fdb *to)
{
	return to->ifindex ? to->ifindex : to->wired;
}
