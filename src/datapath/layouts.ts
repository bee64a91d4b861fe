/**
 * Map keys, values and sizes: the one table from which the C header, the codecs and the pin directory's name come.
 * Addresses and MACs are bytes in network order; integers are little endian like the machines (ADR 0008).
 */
import { createHash } from 'node:crypto';
import { HOSTS_MAX, PLACES_MAX } from '../model/ids.ts';

interface Field<T> {
  readonly size: number;
  readonly align: number;
  readonly c: (name: string) => string;
  readonly write: (v: DataView, at: number, x: T) => void;
  readonly read: (v: DataView, at: number) => T;
}
const integer = (size: 2 | 4, c: string): Field<number> => ({
  size,
  align: size,
  c: (n) => `${c} ${n};`,
  write: (v, at, x) => (size === 2 ? v.setUint16(at, x, true) : v.setUint32(at, x, true)),
  read: (v, at) => (size === 2 ? v.getUint16(at, true) : v.getUint32(at, true)),
});
const u16 = integer(2, '__u16');
const u32 = integer(4, '__u32');
const u64: Field<bigint> = {
  size: 8,
  align: 8,
  c: (n) => `__u64 ${n};`,
  write: (v, at, x) => v.setBigUint64(at, x, true),
  read: (v, at) => v.getBigUint64(at, true),
};
/** Raw bytes; `word` makes the C field a __be32 so that it is compared in one step. */
const bytes = (size: number, word = false): Field<Uint8Array> => ({
  size,
  align: word ? 4 : 1,
  c: (n) => (word ? `__be32 ${n}${size > 4 ? `[${size / 4}]` : ''};` : `__u8 ${n}[${size}];`),
  write: (v, at, x) => new Uint8Array(v.buffer, v.byteOffset + at, size).set(x),
  read: (v, at) => new Uint8Array(v.buffer, v.byteOffset + at, size).slice(),
});
const mac = bytes(6);
const ip4 = bytes(4, true);
const ip6 = bytes(16, true);

type Fields = Readonly<Record<string, Field<never> | Field<number> | Field<bigint> | Field<Uint8Array>>>;
/** The object form of a layout. */
export type Row<F> = { -readonly [N in keyof F]: F[N] extends Field<infer T> ? T : never };
export interface Layout<R> {
  readonly name: string;
  readonly size: number;
  readonly offsets: ReadonlyMap<string, number>;
  readonly c: string;
  encode(row: R): Uint8Array;
  decode(bytes: Uint8Array): R;
}

/** A struct: every field must fall on its natural alignment and the size on the largest, so that C adds no padding. */
export function layout<const F extends Fields>(name: string, fields: F): Layout<Row<F>> {
  const offsets = new Map<string, number>();
  let size = 0;
  for (const [n, f] of Object.entries(fields)) {
    if (size % f.align !== 0) throw new Error(`layout ${name}: ${n} at ${size} is not aligned to ${f.align}`);
    offsets.set(n, size);
    size += f.size;
  }
  const align = Math.max(...Object.values(fields).map((f) => f.align));
  if (size % align !== 0) throw new Error(`layout ${name}: size ${size} is not a multiple of ${align}`);
  const entries = Object.entries(fields) as [keyof F & string, Field<unknown>][];
  return {
    name,
    size,
    offsets,
    c: `struct ${name} {\n${entries.map(([n, f]) => `\t${f.c(n)}`).join('\n')}\n};`,
    encode(row) {
      // From Node's pool: a buffer of its own for each of 100,000 rows would cost several times the row.
      const { buffer, byteOffset } = Buffer.allocUnsafe(size).fill(0);
      const out = new Uint8Array(buffer, byteOffset, size);
      const view = new DataView(buffer, byteOffset, size);
      for (const [n, f] of entries) f.write(view, offsets.get(n)!, row[n]);
      return out;
    },
    decode(b) {
      const view = new DataView(b.buffer, b.byteOffset, size);
      return Object.fromEntries(entries.map(([n, f]) => [n, f.read(view, offsets.get(n)!)])) as Row<F>;
    },
  };
}

/**
 * Row of `ports`, and of `stations`: what the port may send as. `ip4`/`ip6`: its first address of the family, or zeros.
 * `domain`: the number of the router that joins a subnet of its addresses, or 0. `vlan`: tag of its frames, 0 for none.
 * `origin`: number of the host whose gateway has those connections with the outside that did not begin here, or 0.
 */
export const portRow = layout('hd_port', {
  slot: u32,
  vni: u32,
  mac,
  flags: u16,
  mtu: u32,
  domain: u32,
  ip4,
  ip6,
  vlan: u16,
  origin: u16,
});
/**
 * ROUTER: the device leads to a gateway: it may send as any address, with its own MAC. ROUTED4, ROUTED6: `ip4`, `ip6` lies in
 * a subnet that the router joins. TRUNK: other ports are behind the device, too. STANDBY: the port is wired here, and bound to
 * another host. SEGMENT: a physical segment, or a machine on one. CLAMP: TCP from here agrees on segments that fit. PEER: as of
 * `fdb`.
 */
export const portFlags = {
  IP4: 1,
  IP6: 2,
  ROUTER: 4,
  ROUTED4: 8,
  ROUTED6: 16,
  TRUNK: 32,
  STANDBY: 64,
  SEGMENT: 128,
  CLAMP: 256,
  PEER: 512,
} as const;
/**
 * Key of `stations`: a port behind a device, by the tag of its frames (0: none) and its MAC. Without a MAC: the segment that
 * these are of.
 */
export const stationKey = layout('hd_station_key', { ifindex: u32, mac, vlan: u16 });
/** Key of `fdb`. */
export const fdbKey = layout('hd_fdb_key', { vni: u32, mac, pad: u16 });
/**
 * Row of `fdb`. Local: `ifindex` and `slot` are set, `domain` and `vlan` are as in `ports`, and `other` is the number of the
 * host that relays what it still gets for the port, or 0; `origin`: as in `ports`, of what is wired here. Remote: those are 0.
 * `host`: number of the port's host. `wired`: the device of a port that is on another host and wired here, too; with `slot`,
 * `domain` and `vlan` of it. Of a machine on a physical segment `host` is a place, and its device here is `wired`, whichever of
 * the segment's hosts forwards.
 */
export const fdbRow = layout('hd_fdb', {
  ifindex: u32,
  slot: u32,
  host: u32,
  flags: u16,
  origin: u16,
  domain: u32,
  vlan: u16,
  other: u16,
  wired: u32,
});
/**
 * PEER: the device has a peer in another network namespace, so bpf_redirect_peer works; never with a tag. TAP: what goes there
 * may not still count as tunnelled. RELAY: this host is the port's standby, or the port has
 * gone from it, and it sends on to `host` what comes from elsewhere.
 * SEGMENT: a machine on a physical segment. CLAMP: TCP to there agrees on segments that fit.
 */
export const fdbFlags = { PEER: 1, TAP: 2, RELAY: 4, SEGMENT: 8, CLAMP: 16 } as const;
/**
 * Key of `begun`: of a slot's connections that began here, a part of the bits that say which; BEGUN_WORDS words of 64 bits, two
 * bits for a connection (a Bloom filter).
 */
export const begunKey = layout('hd_begun_key', { slot: u32, word: u32 });
/** See {@link begunKey}. */
export const BEGUN_WORDS = 128;
const begunRow = layout('hd_begun', { bits: u64 });
/** Key of `older`: a place for one of a slot's UDP flows, OLDER_FLOWS of them; in the row after these stands when the port came here. */
export const olderKey = layout('hd_older_key', { slot: u32, place: u32 });
/** See {@link olderKey}. */
export const OLDER_FLOWS = 127;
/** A second of CLOCK_MONOTONIC in {@link olderRow}; the bits below it say how it is with the flow, as `older.h` has it. */
export const OLDER_SECOND = 4;
/**
 * Row of `older`. `flow`: which one, of those that have the place; `since`: how it is with it by way of the host that the port has
 * come from, and since when; of the row after the places, when the port came.
 */
export const olderRow = layout('hd_older', { flow: u32, since: u32 });
export const neigh4Key = layout('hd_neigh4_key', { vni: u32, ip: ip4 });
export const neigh6Key = layout('hd_neigh6_key', { vni: u32, ip: ip6 });
/**
 * Row of `neigh4` and `neigh6`: which MAC has the address, and on which host, or at which place; `other`: its standby, which
 * may send as it, or 0.
 */
export const neighRow = layout('hd_neigh', { mac, host: u16, other: u16 });
/**
 * Row of `places`, by a place's number less {@link PLACE_FIRST}: the host that forwards for a physical segment; `other`: the one that
 * stands by, or 0; `ifindex`: the segment's device, if this host is the one that forwards. So one row moves all its machines.
 */
export const placeRow = layout('hd_place', { host: u16, other: u16, ifindex: u32 });
/** Keys of `routes4` and `routes6`. `prefixlen`: bits that count, from `domain` on: 32 and the prefix's. `domain`: a router's number. */
export const route4Key = layout('hd_route4_key', { prefixlen: u32, domain: u32, ip: ip4 });
export const route6Key = layout('hd_route6_key', { prefixlen: u32, domain: u32, ip: ip6 });
/**
 * Row of `routes4` and `routes6`. `ip` (IPv4 in the first four bytes): CONNECTED, PEER: the subnet's gateway; VIA: the next hop.
 * `vni`: of the subnet's or next hop's network; `mtu`: what fits that network, bytes. `bits`, if not 0: the first so many of
 * an address here are those of `as` on the other side: of CONNECTED as peers see it, of TRANSLATED as it is there.
 */
export const routeRow = layout('hd_route', { action: u32, vni: u32, mtu: u32, bits: u32, ip: ip6, as: ip6 });
/**
 * CONNECTED: a joined subnet. PEER: one that a peer joins; TRANSLATED: and some subnet, own or a peer's, has another prefix
 * on the other side. VIA: through a port that forwards. BLACKHOLE: dropped. LOCAL: left to the sender's gateway: an address of
 * the router's own, or a subnet of its networks that it does not join.
 */
export const routeActions = { CONNECTED: 1, VIA: 2, BLACKHOLE: 3, LOCAL: 4, PEER: 5, TRANSLATED: 6 } as const;
/**
 * Row of `vteps`, by host number: how to reach that host. `flags` without FAST: through the VXLAN device.
 * `ifindex`, MACs and `csum` are the outer header's template; `csum` is the one's complement sum of the outer IPv4 header
 * without total length and TOS: its 16-bit words read as big-endian numbers, folded. `mtu`: largest inner IP packet, bytes. IPv4 addresses are the first four bytes.
 */
export const vtepRow = layout('hd_vtep', {
  flags: u32,
  ifindex: u32,
  local: ip6,
  remote: ip6,
  dst_mac: mac,
  src_mac: mac,
  csum: u32,
  mtu: u32,
});
/** VALID: the row is in use. FAST: the template is complete. IP6: the underlay is IPv6. */
export const vtepFlags = { VALID: 1, FAST: 2, IP6: 4 } as const;
/** Key of `peers`: a VTEP's address, IPv4 as ::ffff:a.b.c.d. Its row is the host's number. */
export const peerKey = layout('hd_peer_key', { ip: ip6 });
export const peerRow = layout('hd_peer', { host: u32 });
/** The one row of `config`. `vtep`: IPv4 in the first four bytes, as in `vteps`. `udp_port` is a number in host order. `features`: what this kernel has. */
export const configRow = layout('hd_config', {
  self: u32,
  vxlan_ifindex: u32,
  vtep: ip6,
  udp_port: u32,
  features: u32,
});
/** DECAP_L3: bpf_skb_adjust_room sets skb->protocol when asked (kernel 6.3 and newer). */
export const configFlags = { DECAP_L3: 1 } as const;
/** Row of `traffic`, per CPU, by slot. */
export const trafficRow = layout('hd_traffic', { tx_packets: u64, tx_bytes: u64, rx_packets: u64, rx_bytes: u64 });
/** Key of `tally`: packets by slot and reason; slot 0 is the host itself. */
export const tallyKey = layout('hd_tally_key', { slot: u32, reason: u32 });
export const tallyRow = layout('hd_tally', { packets: u64 });
/**
 * Row of `flood`: a device of this host (`ifindex`, `slot`, and `vlan`: tag to put on, or 0), or another `host`; what is of the
 * other kind is 0.
 */
export const floodRow = layout('hd_flood', { ifindex: u32, slot: u32, host: u16, vlan: u16, flags: u32 });
/** SEGMENT: the device leads to a physical segment. SHARERS: of all rows of a list that only those may send to who have a row for it. */
export const floodFlags = { SEGMENT: 1, SHARERS: 2 } as const;
/**
 * Key of `flood`: a network's list of where its broadcasts go, from index 0 on and without holes; and who may send to it, at
 * FLOOD_SENDER + tag * FLOOD_SENDER_TAG + slot.
 */
export const floodKey = layout('hd_flood_key', { vni: u32, index: u32 });
export const FLOOD_SENDER = 0x4000_0000;
export const FLOOD_SENDER_TAG = 0x1_0000;
/** Longest list. */
export const FLOOD_MAX = 512;
/** Key of `flood_copies`: a network, and the host that what is copied comes from. */
export const floodCopiesKey = layout('hd_flood_copies_key', { vni: u32, host: u32 });
/**
 * Row of `service_rate` and `flood_rate`, by slot, and of `flood_copies`: when the bucket will be full, nanoseconds of
 * CLOCK_MONOTONIC.
 */
export const bucketRow = layout('hd_bucket', { full: u64 });
/**
 * Row of `gates`, by a segment's slot: until when its frames pass here, nanoseconds of CLOCK_MONOTONIC. 0: always, so that it
 * takes no agent; what is past: not now.
 */
export const gateRow = layout('hd_gate', { until: u64 });
export const indexKey = layout('hd_index', { index: u32 });

/** Local ports of one host; slot 0 is the host itself. */
export const SLOTS_MAX = 4096;
const ports = 131_072;

type Shape = Pick<Layout<unknown>, 'name' | 'size' | 'c'>;
interface MapSpec {
  readonly type: 'HASH' | 'LRU_HASH' | 'LPM_TRIE' | 'ARRAY' | 'PERCPU_ARRAY';
  readonly key: Shape;
  readonly value: Shape;
  readonly max: number;
}
/** Every map. Hashes, but for LRU ones, and tries allocate as they fill (NO_PREALLOC): a host pays for what it knows. `ports` has gateways besides. */
export const maps = {
  ports: { type: 'HASH', key: indexKey, value: portRow, max: 2 * SLOTS_MAX },
  stations: { type: 'HASH', key: stationKey, value: portRow, max: 16 * SLOTS_MAX },
  fdb: { type: 'HASH', key: fdbKey, value: fdbRow, max: ports },
  neigh4: { type: 'HASH', key: neigh4Key, value: neighRow, max: ports },
  neigh6: { type: 'HASH', key: neigh6Key, value: neighRow, max: 2 * ports },
  routes4: { type: 'LPM_TRIE', key: route4Key, value: routeRow, max: ports },
  routes6: { type: 'LPM_TRIE', key: route6Key, value: routeRow, max: ports },
  vteps: { type: 'ARRAY', key: indexKey, value: vtepRow, max: HOSTS_MAX + 1 },
  places: { type: 'ARRAY', key: indexKey, value: placeRow, max: PLACES_MAX },
  peers: { type: 'HASH', key: peerKey, value: peerRow, max: HOSTS_MAX + 1 },
  config: { type: 'ARRAY', key: indexKey, value: configRow, max: 1 },
  traffic: { type: 'PERCPU_ARRAY', key: indexKey, value: trafficRow, max: SLOTS_MAX },
  tally: { type: 'HASH', key: tallyKey, value: tallyRow, max: 65_536 },
  service_rate: { type: 'ARRAY', key: indexKey, value: bucketRow, max: SLOTS_MAX },
  flood: { type: 'HASH', key: floodKey, value: floodRow, max: ports },
  flood_rate: { type: 'ARRAY', key: indexKey, value: bucketRow, max: SLOTS_MAX },
  flood_copies: { type: 'LRU_HASH', key: floodCopiesKey, value: bucketRow, max: 4 * SLOTS_MAX },
  begun: { type: 'HASH', key: begunKey, value: begunRow, max: SLOTS_MAX * BEGUN_WORDS },
  older: { type: 'HASH', key: olderKey, value: olderRow, max: SLOTS_MAX * (OLDER_FLOWS + 1) },
  gates: { type: 'ARRAY', key: indexKey, value: gateRow, max: SLOTS_MAX },
} as const satisfies Record<string, MapSpec>;
export type MapName = keyof typeof maps;
/** An array has all its rows always; of the others rows come and go, and have a struct as key. */
export const isArray = (map: Pick<MapSpec, 'type'>): boolean => map.type === 'ARRAY' || map.type === 'PERCPU_ARRAY';

/** Names the pin directory: programs and maps of one layout live together, and a changed layout never meets old maps. */
export const layoutHash: string = createHash('sha256')
  .update(
    Object.entries(maps)
      .map(([n, m]) => `${n} ${m.type} ${m.key.c} ${m.value.c} ${m.max}`)
      .join('\n'),
  )
  .digest('hex')
  .slice(0, 12);
