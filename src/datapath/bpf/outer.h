/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Where things are in a packet that is encapsulated in IPv4 without options: bytes from its outer Ethernet header on. */
#pragma once
#include "base.h"

/* Outer IPv4 (RFC 791), at first its version, header length and TOS. */
#define OUTER_IP ETH_LEN
#define OUTER_LENGTH (OUTER_IP + 2)
#define OUTER_ID (OUTER_IP + 4)
#define OUTER_FRAGMENT (OUTER_IP + 6)
#define OUTER_TTL (OUTER_IP + 8)
#define OUTER_PROTOCOL (OUTER_IP + 9)
#define OUTER_CHECKSUM (OUTER_IP + 10)
#define OUTER_SOURCE (OUTER_IP + 12)
#define OUTER_DESTINATION (OUTER_IP + 16)

/* UDP (RFC 768); its checksum follows its length. */
#define OUTER_UDP (OUTER_IP + IP4_LEN)
#define OUTER_UDP_TO (OUTER_UDP + 2)
#define OUTER_UDP_LENGTH (OUTER_UDP + 4)

/* VXLAN (RFC 7348 §5): flags and 24 reserved bits, VNI and 8 reserved bits. */
#define OUTER_VXLAN (OUTER_UDP + UDP_LEN)
#define OUTER_VNI (OUTER_VXLAN + 4)
#define OUTER_RESERVED (OUTER_VXLAN + 7)
#define VXLAN_FLAGS 0x08000000 /* the VNI is valid, nothing else */

#define INNER_ETH (OUTER_VXLAN + VXLAN_LEN)
#define INNER_IP (INNER_ETH + ETH_LEN)
