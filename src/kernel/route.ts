/** Routes (rtnetlink RTM_*ROUTE; include/uapi/linux/rtnetlink.h). */
import { type Ip, ipBytes, ipText } from '../model/address.ts';
import { familyNumber, RTPROT_HEDDLE } from './address.ts';
import * as nla from './attributes.ts';
import { hasErrno } from './libc.ts';
import { type Netlink, NLM_F_CREATE, NLM_F_DUMP, NLM_F_EXCL, type Request } from './netlink.ts';

export const RTM_NEWROUTE = 24;
export const RTM_DELROUTE = 25;
const RTM_GETROUTE = 26;
const AF_INET = 2;
const AF_INET6 = 10;
const RTN_UNICAST = 1;
const RT_TABLE_MAIN = 254;
const RT_SCOPE_LINK = 253;
const RTM_F_CLONED = 0x200;
const RTA = { DST: 1, SRC: 2, OIF: 4, GATEWAY: 5, PRIORITY: 6, PREFSRC: 7, METRICS: 8, TABLE: 15, VIA: 18 } as const;
const RTAX_MTU = 2;

export interface Route {
  /** "10.0.0.0/24"; the default routes are "0.0.0.0/0" and "::/0". */
  readonly dst: string;
  readonly oif?: number;
  readonly gateway?: Ip;
  readonly prefsrc?: Ip;
  /** The route's own MTU, if it has one. */
  readonly mtuBytes?: number;
  readonly metric?: number;
  readonly table: number;
  /** Who made it; ours are RTPROT_HEDDLE. */
  readonly protocol: number;
  /** 1 unicast, 2 local, 7 unreachable …: RTN_* of rtnetlink.h. */
  readonly type: number;
}
/** A route of the main table that leads somewhere: none that refuses, and none to the host itself. */
export const leadsByMain = ({ type, table }: Route): boolean => type === RTN_UNICAST && table === RT_TABLE_MAIN;

/** A unicast route to make; the table is main (254) unless given. */
export type NewRoute = Pick<Route, 'dst'> &
  Partial<Pick<Route, 'oif' | 'gateway' | 'prefsrc' | 'mtuBytes' | 'metric' | 'table'>>;

/** struct rtmsg; tables above 255 go into an attribute, which we always send. */
function rtmsg(family: number, dstLength: number, r: { protocol?: number; scope?: number; type?: number }): Uint8Array {
  const out = new Uint8Array(12);
  out.set([family, dstLength, 0, 0, 0, r.protocol ?? 0, r.scope ?? 0, r.type ?? 0]);
  return out;
}

function body(r: NewRoute, head: { protocol?: number; scope?: number; type?: number }): Uint8Array {
  const [address = '', length = ''] = r.dst.split('/');
  const a: nla.Attribute[] = [nla.u32(RTA.TABLE, r.table ?? RT_TABLE_MAIN)];
  if (length !== '0') a.push(nla.raw(RTA.DST, ipBytes(address as Ip)));
  if (r.oif !== undefined) a.push(nla.u32(RTA.OIF, r.oif));
  if (r.gateway !== undefined) a.push(gateway(r.gateway, familyNumber(address)));
  if (r.prefsrc !== undefined) a.push(nla.raw(RTA.PREFSRC, ipBytes(r.prefsrc)));
  if (r.metric !== undefined) a.push(nla.u32(RTA.PRIORITY, r.metric));
  if (r.mtuBytes !== undefined) a.push(nla.nested(RTA.METRICS, [nla.u32(RTAX_MTU, r.mtuBytes)]));
  return nla.concat([rtmsg(familyNumber(address), Number(length), head), nla.encodeAttributes(a)]);
}

/** A gateway of the other family goes into RTA_VIA, with its family before it. */
function gateway(ip: Ip, family: number): nla.Attribute {
  if (familyNumber(ip) === family) return nla.raw(RTA.GATEWAY, ipBytes(ip));
  return nla.raw(RTA.VIA, nla.concat([Uint8Array.of(familyNumber(ip), 0), ipBytes(ip)]));
}

/** The route in a RTM_NEWROUTE or RTM_DELROUTE message. */
export function parseRoute(m: nla.Message): Route {
  const [family, dstLength = 0, , , table = 0, protocol = 0, , type = 0] = m.body;
  const a = nla.decodeAttributes(m.body.subarray(12));
  const metrics = nla.decodeAttributes(a.get(RTA.METRICS) ?? new Uint8Array());
  const via = a.get(RTA.GATEWAY) ?? a.get(RTA.VIA)?.subarray(2);
  const prefsrc = a.get(RTA.PREFSRC);
  const dst = a.get(RTA.DST) ?? new Uint8Array(family === AF_INET ? 4 : 16);
  return {
    dst: `${ipText(dst)}/${dstLength}`,
    table: nla.readNumber(a.get(RTA.TABLE)) ?? table,
    protocol,
    type,
    ...nla.present({
      oif: nla.readNumber(a.get(RTA.OIF)),
      gateway: via && ipText(via),
      prefsrc: prefsrc && ipText(prefsrc),
      mtuBytes: nla.readNumber(metrics.get(RTAX_MTU)),
      metric: nla.readNumber(a.get(RTA.PRIORITY)),
    }),
  };
}

const ours = (r: NewRoute) => ({
  protocol: RTPROT_HEDDLE,
  type: RTN_UNICAST,
  scope: r.gateway === undefined ? RT_SCOPE_LINK : 0,
});

/** The request that adds a route; refused with EEXIST if there is one with that destination, table and metric. */
export const newRoute = (r: NewRoute): Request => ({
  type: RTM_NEWROUTE,
  flags: NLM_F_CREATE | NLM_F_EXCL,
  body: body(r, ours(r)),
  what: { operation: 'add route', object: r.dst },
});
/** @throws KERNEL with EEXIST if there is one with that destination, table and metric */
export const routeAdd = (nl: Netlink, r: NewRoute): void => void nl.batch([newRoute(r)]);

/** Removes one of ours; one that is gone already is fine. */
export function routeDelete(nl: Netlink, r: NewRoute): void {
  try {
    nl.request(RTM_DELROUTE, 0, body(r, ours(r)), { operation: 'delete route', object: r.dst });
  } catch (e) {
    if (!hasErrno(e, 'ESRCH')) throw e;
  }
}

/** All routes of the namespace, both families, all tables; without the kernel's cached exceptions. */
export function routeList(nl: Netlink): Route[] {
  const what = { operation: 'list', object: 'routes' };
  return [AF_INET, AF_INET6]
    .flatMap((family) => nl.request(RTM_GETROUTE, NLM_F_DUMP, rtmsg(family, 0, {}), what))
    .filter((m) => (new DataView(m.body.buffer, m.body.byteOffset).getUint32(8, true) & RTM_F_CLONED) === 0)
    .map(parseRoute);
}

/**
 * Where the kernel would send a packet to `dst` now; `source` as policy routing sees it.
 * @throws KERNEL with ENETUNREACH or EHOSTUNREACH if nowhere
 */
export function routeGet(nl: Netlink, dst: Ip, options: { readonly source?: Ip } = {}): Route {
  const head = rtmsg(familyNumber(dst), ipBytes(dst).length * 8, {});
  const a = [nla.raw(RTA.DST, ipBytes(dst))];
  if (options.source !== undefined) {
    head[2] = ipBytes(options.source).length * 8;
    a.push(nla.raw(RTA.SRC, ipBytes(options.source)));
  }
  const what = { operation: 'look up route', object: dst };
  const [answer] = nl.request(RTM_GETROUTE, 0, nla.concat([head, nla.encodeAttributes(a)]), what);
  return parseRoute(answer!);
}
