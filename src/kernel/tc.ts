/**
 * BPF programs on a device: a clsact qdisc with cls_bpf filters in direct-action mode (net/sched/cls_bpf.c). A filter
 * lives on its device and holds its program, so it works on while no agent runs. Filters not named heddle:* are foreign.
 */
import * as nla from './attributes.ts';
import type { BpfProgram } from './bpf.ts';
import { hasErrno, kernelError } from './libc.ts';
import { type Netlink, NLM_F_CREATE, NLM_F_DUMP, NLM_F_EXCL, type Request } from './netlink.ts';
import type { Direction } from './tcx.ts';

const RTM_NEWQDISC = 36;
export const RTM_DELQDISC = 37;
const RTM_GETQDISC = 38;
export const RTM_NEWTFILTER = 44;
export const RTM_DELTFILTER = 45;
const RTM_GETTFILTER = 46;
const CLSACT = 0xffff_0000;
const TC_H_CLSACT = 0xffff_fff1;
const parents: Readonly<Record<Direction, number>> = { ingress: 0xffff_fff2, egress: 0xffff_fff3 };
const ETH_P_ALL_BE = 0x0300;
const EEXIST = 17;
const TCA = { KIND: 1, OPTIONS: 2 } as const;
const BPF = { FD: 6, NAME: 7, FLAGS: 8, TAG: 10, ID: 11 } as const;
const ACT_DIRECT = 1;
const PRIO = 1;
/** Of a device's one program; of another beside it. */
export const handles = { first: 1, second: 2 } as const;
type Handle = (typeof handles)[keyof typeof handles];
const OURS = 'heddle:';

/** A cls_bpf filter. */
export interface Filter {
  readonly name: string;
  readonly progId: number;
  /** The program's hash, 16 hex digits. */
  readonly tag: string;
  readonly prio: number;
  readonly handle: number;
}

/** struct tcmsg. */
function tcmsg(ifindex: number, handle: number, parent: number, info = 0): Uint8Array {
  const v = new DataView(new ArrayBuffer(20));
  v.setInt32(4, ifindex, true);
  v.setUint32(8, handle, true);
  v.setUint32(12, parent, true);
  v.setUint32(16, info, true);
  return new Uint8Array(v.buffer);
}
const ourInfo = PRIO * 0x10000 + ETH_P_ALL_BE;
const field = (m: nla.Message, at: number) => new DataView(m.body.buffer, m.body.byteOffset).getUint32(at, true);
/** The device that a tc message is about. */
export const ifindexOf = (m: nla.Message): number => field(m, 4);

/**
 * Makes sure that the device has a clsact qdisc. Another program's is as good: it has no state but its filters.
 * @throws KERNEL with EEXIST if an `ingress` qdisc is in its place, ENODEV without the device
 */
export function ensureClsact(nl: Netlink, ifindex: number): void {
  const request = newClsact(ifindex);
  const { what } = request;
  try {
    nl.batch([request]);
  } catch (e) {
    if (!hasErrno(e, 'EEXIST')) throw e;
    const have = qdiscKind(nl, ifindex);
    if (have !== 'clsact') throw kernelError(EEXIST, what.operation, what.object, `the device has an ${have} qdisc`);
  }
}

/** The request for a clsact qdisc where there is none. */
const newClsact = (ifindex: number): Request => ({
  type: RTM_NEWQDISC,
  flags: NLM_F_CREATE | NLM_F_EXCL,
  body: nla.concat([tcmsg(ifindex, CLSACT, TC_H_CLSACT), nla.encodeAttributes([nla.text(TCA.KIND, 'clsact')])]),
  what: { operation: 'add clsact', object: `link ${ifindex}` },
});

function qdiscKind(nl: Netlink, ifindex: number): string | undefined {
  const what = { operation: 'list qdiscs', object: `link ${ifindex}` };
  return nl
    .request(RTM_GETQDISC, NLM_F_DUMP, tcmsg(ifindex, 0, 0), what)
    .filter((m) => ifindexOf(m) === ifindex && field(m, 12) === TC_H_CLSACT)
    .map((m) => nla.readText(nla.decodeAttributes(m.body.subarray(20)).get(TCA.KIND)))[0];
}

/** The cls_bpf filters on one side of a device, ours and others'; none when it has no clsact. */
export function listFilters(nl: Netlink, ifindex: number, direction: Direction): Filter[] {
  const what = { operation: 'list filters', object: `link ${ifindex} ${direction}` };
  return nl
    .request(RTM_GETTFILTER, NLM_F_DUMP, tcmsg(ifindex, 0, parents[direction]), what)
    .flatMap((m) => parseFilter(m) ?? []);
}

function parseFilter(m: nla.Message): Filter | undefined {
  const a = nla.decodeAttributes(m.body.subarray(20));
  const handle = field(m, 8);
  // Each priority also has a line for the classifier itself, with handle 0.
  if (nla.readText(a.get(TCA.KIND)) !== 'bpf' || handle === 0) return undefined;
  const o = nla.decodeAttributes(a.get(TCA.OPTIONS) ?? new Uint8Array());
  return {
    name: nla.readText(o.get(BPF.NAME)) ?? '',
    progId: nla.readNumber(o.get(BPF.ID)) ?? 0,
    tag: Buffer.from(o.get(BPF.TAG) ?? []).toString('hex'),
    prio: field(m, 16) >>> 16,
    handle,
  };
}

/** Whether somebody else has filters on that side of the device, of any kind. */
export function hasForeignFilters(nl: Netlink, ifindex: number, direction: Direction): boolean {
  const what = { operation: 'list filters', object: `link ${ifindex} ${direction}` };
  return nl.request(RTM_GETTFILTER, NLM_F_DUMP, tcmsg(ifindex, 0, parents[direction]), what).some((m) => {
    const filter = parseFilter(m);
    return filter ? !isOurs(filter) : field(m, 16) >>> 16 !== PRIO;
  });
}

const isOurs = (f: Filter) => f.name.startsWith(OURS);
const inOurPlace = (f: Filter, handle: Handle) => f.prio === PRIO && f.handle === handle;

/**
 * Makes sure that the program is the first filter on that side of the device, as `heddle:<program>`: priority 1, handle 1 or
 * 2, all protocols. Another of ours there is replaced in one step, so that no packet passes without. Nothing is written when
 * this very program is there. Returns whether a filter was written. The device needs a clsact.
 * @throws KERNEL with EEXIST if a foreign filter has the place
 */
export function ensureFilter(
  nl: Netlink,
  ifindex: number,
  direction: Direction,
  program: Pick<BpfProgram, 'name' | 'fd' | 'id'>,
  handle: Handle = handles.first,
): boolean {
  const name = OURS + program.name;
  const request = newFilter(ifindex, { direction, program }, handle);
  const { what } = request;
  const have = listFilters(nl, ifindex, direction).find((f) => inOurPlace(f, handle));
  if (have && !isOurs(have)) throw kernelError(EEXIST, what.operation, what.object, `taken by filter ${have.name}`);
  if (have && have.name === name && have.progId === program.id) return false;
  nl.batch([request]);
  return true;
}

/** A program, and the side of a device that it is for. */
interface Side {
  readonly direction: Direction;
  readonly program: Pick<BpfProgram, 'name' | 'fd'>;
}

/** The request that puts a program there; an existing filter of that handle is replaced, or with `flags` NLM_F_EXCL refused. */
function newFilter(ifindex: number, { direction, program }: Side, handle: Handle, flags = 0): Request {
  const name = OURS + program.name;
  const options = [nla.u32(BPF.FD, program.fd), nla.text(BPF.NAME, name), nla.u32(BPF.FLAGS, ACT_DIRECT)];
  const body = nla.concat([
    tcmsg(ifindex, handle, parents[direction], ourInfo),
    nla.encodeAttributes([nla.text(TCA.KIND, 'bpf'), nla.nested(TCA.OPTIONS, options)]),
  ]);
  const what = { operation: `set ${name}`, object: `link ${ifindex} ${direction}` };
  return { type: RTM_NEWTFILTER, flags: NLM_F_CREATE | flags, body, what };
}

/**
 * The requests for a device that was just made: clsact, and the programs as first filters. Nothing of anybody's is replaced: EEXIST
 * says that somebody was faster, and {@link ensureClsact} and {@link ensureFilter} what is to be done.
 */
export const firstFilters = (ifindex: number, sides: readonly Side[]): Request[] => [
  newClsact(ifindex),
  ...sides.map((side) => newFilter(ifindex, side, handles.first, NLM_F_EXCL)),
];

/**
 * Takes our filter off that side of the device, and the clsact with it if there is no other filter on it.
 * @throws KERNEL with ENODEV without the device
 */
export function removeFilter(nl: Netlink, ifindex: number, direction: Direction, handle: Handle = handles.first): void {
  const have = listFilters(nl, ifindex, direction).find((f) => inOurPlace(f, handle));
  const object = `link ${ifindex} ${direction}`;
  if (have && isOurs(have)) {
    const request = nla.concat([
      tcmsg(ifindex, handle, parents[direction], ourInfo),
      nla.encodeAttributes([nla.text(TCA.KIND, 'bpf')]),
    ]);
    nl.request(RTM_DELTFILTER, 0, request, { operation: 'delete filter', object });
  }
  const sides = ['ingress', 'egress'] as const;
  const isUsed = (side: Direction): boolean =>
    listFilters(nl, ifindex, side).length > 0 || hasForeignFilters(nl, ifindex, side);
  if (sides.some(isUsed) || qdiscKind(nl, ifindex) !== 'clsact') return;
  nl.request(RTM_DELQDISC, 0, tcmsg(ifindex, CLSACT, TC_H_CLSACT), { operation: 'delete clsact', object });
}
