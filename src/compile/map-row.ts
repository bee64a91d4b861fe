/** Rows of the BPF maps as the plan gives them. */
import type { MapName } from '../datapath/layouts.ts';
import { type Ip, ipBytes } from '../model/address.ts';

/** One row; `value` of the wire size of the map. */
export interface MapRow {
  readonly map: MapName;
  readonly key: Uint8Array;
  readonly value: Uint8Array;
}
/** Identity of a row over all maps. */
export const rowKey = (map: MapName, key: Uint8Array): string =>
  `${map} ${Buffer.from(key.buffer, key.byteOffset, key.length).toString('latin1')}`;

/** Sixteen bytes: IPv6, or IPv4 in the first four. */
export function plain(ip: Ip): Uint8Array {
  const out = new Uint8Array(16);
  out.set(ipBytes(ip));
  return out;
}
