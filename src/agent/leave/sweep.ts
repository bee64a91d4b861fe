/** Takes off a host what is Heddle's, known by its marks alone (docs/kernel-ids.md); whatever is gone already is fine. */
import { rmdirSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { leaveBpffs, removeOtherPins } from '../../kernel/bpf.ts';
import { hasErrno } from '../../kernel/libc.ts';
import { ensureNoLink, type Link, linkList } from '../../kernel/link.ts';
import type { Netlink } from '../../kernel/netlink.ts';
import { listFilters, removeFilter } from '../../kernel/tc.ts';
import { ensureNoTcx, listTcx } from '../../kernel/tcx.ts';
import type { Attachment } from '../../model/local-api.ts';
import { isTaken, portOfAlias } from '../device-alias.ts';
import { isTakenNic, leaveNic } from '../segment/nic.ts';
import { leaveTap } from '../tap-end.ts';

/** By tcx programs have no mark but their names. */
const tcxPrograms: ReadonlySet<string> = new Set(['from_underlay', 'pass_marked']);
const sides = ['ingress', 'egress'] as const;

/** Devices, and the programs on devices of others. `recorded`: how what was taken was before. @throws KERNEL */
export function sweepLinks(nl: Netlink, recorded: readonly Attachment[]): void {
  for (const link of linkList(nl))
    try {
      sweepLink(nl, link, recorded);
    } catch (e) {
      if (!hasErrno(e, 'ENODEV')) throw e;
    }
}

function sweepLink(nl: Netlink, { ifindex, name, alias }: Link, recorded: readonly Attachment[]): void {
  const port = portOfAlias(alias);
  const taken = recorded.find((a) => a.kind === 'tap' && a.port === port);
  if (isTaken(alias)) return leaveTap(nl, ifindex, taken?.kind === 'tap' ? taken.before : undefined);
  if (alias?.startsWith('heddle:')) return ensureNoLink(nl, ifindex);
  const segment = recorded.find((a) => a.kind === 'device' && a.ifname === name);
  if (isTakenNic(nl, ifindex)) leaveNic(nl, ifindex, segment?.kind === 'device' ? segment.before : undefined);
  for (const side of sides) {
    for (const program of listTcx(nl, ifindex, side))
      if (tcxPrograms.has(program.name)) ensureNoTcx(nl, ifindex, side, program.name);
    if (listFilters(nl, ifindex, side).some((f) => f.name.startsWith('heddle:'))) removeFilter(nl, ifindex, side);
  }
}

/** Programs and maps of all layouts, and the folder; the bpffs too, if it was mounted for them. */
export function sweepPins(dir: string): void {
  removeOtherPins(dir, '');
  leaveBpffs(dir);
  removeIfEmpty(dir);
}

/** What is written in the folder of an agent's state; anything else there is somebody's. */
const stateFiles = [
  'attachments',
  'leases',
  'reservations',
  'networks',
  'docker',
  'host-state.json',
  'host-state.json.new',
  'identity.json',
  'identity.json.new',
  'join-key.pem',
  'join-key.pem.new',
];

/** Records and cache, and what is beside the socket; folders, if nothing else is in them. */
export function sweepFiles(stateDir: string, netnsDir: string): void {
  for (const name of stateFiles) rmSync(join(stateDir, name), { recursive: true, force: true });
  for (const dir of [stateDir, dirname(stateDir), netnsDir]) removeIfEmpty(dir);
}

export function removeIfEmpty(dir: string): void {
  try {
    rmdirSync(dir);
  } catch (e) {
    if (!['ENOENT', 'ENOTEMPTY', 'EBUSY'].includes((e as NodeJS.ErrnoException).code ?? '')) throw e;
  }
}
