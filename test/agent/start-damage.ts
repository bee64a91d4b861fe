/** What an agent that starts has to mend, sweep and make, none of which the traffic of other workloads needs. */
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { deviceName } from '../../src/agent/workload-end.ts';
import { fdbRow, indexKey, neigh4Key, neighRow, portRow } from '../../src/datapath/layouts.ts';
import { linkAddVeth, linkByName, linkDelete, linkSet } from '../../src/kernel/link.ts';
import { openNetns } from '../../src/kernel/netns.ts';
import type { Mac } from '../../src/model/address.ts';
import { newId, type PortId } from '../../src/model/ids.ts';
import type { Rig } from './rig.ts';
import type { Workload } from './workload.ts';

/** Things that are to be gone after the start. */
export interface Damage {
  readonly left: () => string[];
}

/** Damages h1, whose agent does not run: `device` is that of `workload`, which has no traffic. */
export function damage(rig: Rig, workload: Workload, device: string): Damage {
  const orphan = 'hd0000000000001';
  const otherLayout = `${rig.pins('h1')}/../000000000000`;
  const unfinished = newId<PortId>();
  const record = `${rig.stateDir('h1')}/attachments/${unfinished}.json`;
  mkdirSync(`${otherLayout}/inner`, { recursive: true });
  for (const counters of ['tally', 'traffic']) rmSync(`${rig.pins('h1')}/${counters}`, { force: true });
  damageLinks(rig, workload, device, [{ name: orphan, alias: `heddle:${newId()}` }, { name: deviceName(unfinished) }]);
  damageRows(rig, device);
  const target = { path: workload.path, identity: 'x' };
  const attachment = { port: unfinished, tenant: rig.tenant, network: 'web', kind: 'netns', name: 'x', target };
  writeFileSync(record, JSON.stringify({ ...attachment, ifname: 'eth7', owned: true, state: 'attaching' }));
  writeFileSync(`${record}.new`, '{');
  return { left: () => [record, `${record}.new`, otherLayout].filter((path) => existsSync(path)) };
}

/** Devices of a port that is gone and of one half made; the workload's own set down; no slow path. */
function damageLinks(rig: Rig, workload: Workload, device: string, more: readonly { name: string; alias?: string }[]) {
  using nl = rig.netlink('h1');
  using netns = openNetns(workload.path);
  for (const link of more) {
    const peer = { name: `p${link.name.slice(-8)}`, mac: '02:00:00:00:00:31' as Mac, mtuBytes: 1400, netns };
    if (!linkByName(nl, link.name)) linkAddVeth(nl, { ...link, peer });
  }
  linkSet(nl, linkByName(nl, device)!.ifindex, { up: false });
  const slowPath = linkByName(nl, 'hdvx0');
  if (slowPath) linkDelete(nl, slowPath.ifindex);
}

/** Rows of nobody, and of the workload one that is wrong and one that is missing. */
function damageRows(rig: Rig, device: string): void {
  using nl = rig.netlink('h1');
  const { ifindex } = linkByName(nl, device)!;
  using neigh4 = rig.map('h1', 'neigh4');
  for (const last of [8, 9])
    neigh4.update(
      neigh4Key.encode({ vni: 0xff_ffff, ip: Uint8Array.of(192, 0, 2, last) }),
      neighRow.encode({ mac: new Uint8Array(6), host: 0, other: 0 }),
    );
  using fdb = rig.map('h1', 'fdb');
  for (const [key, value] of fdb.entries()) if (fdbRow.decode(value).ifindex === ifindex) fdb.delete(key);
  using ports = rig.map('h1', 'ports');
  const key = indexKey.encode({ index: ifindex });
  ports.update(key, portRow.encode({ ...portRow.decode(ports.lookup(key)!), mtu: 68 }));
}
