/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Token buckets, each kept as the time at which it will be full. Two CPUs at once may take one token for two.
 */
#pragma once
#include "base.h"

/* Takes what costs `cost` nanoseconds of waiting; false: more than `burst` would have been taken at once. */
inline_always bool take_token(__u64 *full, __u64 cost, __u64 burst)
{
	__u64 now = bpf_ktime_get_ns();
	__u64 then = (*full > now ? *full : now) + cost;

	if (then - now > burst)
		return false;
	*full = then;
	return true;
}
