/** Ports behind a guest's or container's port: its other MACs, and its VLANs, each on a network of its own. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { linkByName } from '../../src/kernel/link.ts';
import { openNetlink } from '../../src/kernel/netlink.ts';
import { openNetns } from '../../src/kernel/netns.ts';
import { must } from '../../src/lab/run.ts';
import type { Port } from '../../src/model/kinds.ts';
import type { Attached } from '../../src/model/local-api.ts';
import { Rig } from '../agent/rig.ts';
import { TapGuest } from '../agent/tap-guest.ts';
import type { Workload } from '../agent/workload.ts';
import { objectOf, runAt } from './objects.ts';

const vlan = 120;
let rig: Rig;
/** On the network "web", and on "four", on the other host. */
let peers: { web: Attached; four: Attached; inWeb: Workload; inFour: Workload };

before(async () => {
  rig = await Rig.open();
  const [inWeb, inFour] = [await rig.workload(), await rig.workload()];
  const web = await rig.attach('h2', { target: inWeb.path });
  const four = await rig.attach('h2', { target: inFour.path, network: 'four' });
  peers = { web, four, inWeb, inFour };
});
after(() => rig?.[Symbol.asyncDispose]());

const ifindexIn = ({ path }: Workload, name: string): number => {
  using ns = openNetns(path);
  using nl = openNetlink(ns);
  return linkByName(nl, name)!.ifindex;
};

/** A device in a workload whose frames go out by eth0 with a tag. */
async function vlanDevice(workload: Workload, { mac, addresses }: Port): Promise<void> {
  const lines = [
    `link add inner address ${mac} mtu 1400 type veth peer name outer`,
    'link set outer up',
    'link set inner up',
    ...addresses.map((ip) => `address add ${ip}/24 dev inner`),
  ];
  await must(workload.argv(['ip', '-batch', '-']), { input: `${lines.join('\n')}\n` });
  const numbers = { VLAN: vlan, WIRE: ifindexIn(workload, 'eth0'), DEVICE: ifindexIn(workload, 'outer') };
  const object = await objectOf(rig.lab, 'vlan-device.bpf.c', numbers);
  await runAt(workload.argv([]), 'outer', 'ingress', object, 'tag');
  await runAt(workload.argv([]), 'eth0', 'ingress', object, 'untag');
}

/** A container within a workload: with a MAC of its own on the same device. */
async function nestedContainer(workload: Workload, { mac, addresses }: Port): Promise<Workload> {
  const nested = await rig.workload();
  const link = `link add link eth0 name second address ${mac} type macvlan mode bridge\nlink set second netns ${nested.path}`;
  await must(workload.argv(['ip', '-batch', '-']), { input: `${link}\n` });
  const lines = [
    'link set second name eth0 up',
    ...addresses.map((ip) => `address add ${ip}/${ip.includes(':') ? '64 nodad' : '24'} dev eth0`),
  ];
  await must(nested.argv(['ip', '-batch', '-']), { input: `${lines.join('\n')}\n` });
  return nested;
}

const create = (body: object): Promise<Port> =>
  rig.client.create('port', body as never, { tenant: rig.tenant, waitMs: 20_000 });
const reaches = async (from: Workload, device: string, ip: string, withinS = 5): Promise<boolean> =>
  (await from.exec(['ping', '-n', '-q', '-c', '1', '-i', '0.2', '-w', `${withinS}`, '-I', device, ip])).code === 0;

/** What both kinds of workloads can do with ports behind theirs. */
async function hasMore(workload: Workload, parent: Attached): Promise<void> {
  const behind = parent.port.name;
  assert.ok(await workload.reaches(peers.web.port.addresses[0]!, 10));
  const nested = await create({ name: `${behind}-v${vlan}`, network: 'four', behind, vlan });
  const second = await create({ name: `${behind}-mac`, network: 'web', behind });
  assert.deepEqual([nested.host, second.host], [parent.port.host ?? nested.host, nested.host]);
  for (const { name } of [nested, second]) await rig.portIs(name, 'up');
  await vlanDevice(workload, nested);
  await using inside = await nestedContainer(workload, second);
  assert.ok(await reaches(workload, 'inner', peers.four.port.addresses[0]!), 'on its VLAN');
  assert.ok(await peers.inFour.reaches(nested.addresses[0]!, 5), 'to its VLAN');
  for (const [i, ip] of peers.web.port.addresses.entries()) {
    assert.ok(await inside.reaches(ip, 5), `by its second MAC, from ${second.addresses[i]}`);
    assert.ok(await peers.inWeb.reaches(second.addresses[i]!, 5), `to its second MAC, ${second.addresses[i]}`);
  }
  // Each is on its own network, and what it was before is as it was.
  assert.equal(await reaches(workload, 'inner', peers.web.port.addresses[0]!, 1), false);
  assert.ok(await workload.reaches(peers.web.port.addresses[0]!, 5));
  await assert.rejects(rig.client.remove('port', parent.port.id, { tenant: rig.tenant }), /used by 2 ports/);
  for (const { id } of [nested, second]) await rig.client.remove('port', id, { tenant: rig.tenant, waitMs: 20_000 });
  assert.equal(await peers.inFour.reaches(nested.addresses[0]!, 1), false);
  assert.ok(await workload.reaches(peers.web.port.addresses[0]!, 5));
}

test('a container has a second MAC and a VLAN on another network, as long as there are ports for them', async () => {
  const workload = await rig.workload();
  const attached = await rig.attach('h1', { target: workload.path });
  await rig.portIs(attached.port.id, 'up');
  await hasMore(workload, attached);
});

test('a guest behind a tap has a second MAC and a VLAN on another network', async () => {
  const attached = await rig.attach('h1', { kind: 'tap', port: 'vm1' });
  await rig.portIs('vm1', 'up');
  await using guest = await TapGuest.start(rig, 'h1', attached);
  await hasMore(guest.workload, attached);
});

test('ports behind a port come up with it, wherever it is attached, and again when its agent was killed', async () => {
  await create({ name: 'later', network: 'web' });
  const nested = await create({ name: 'later-v', network: 'four', behind: 'later', vlan });
  assert.equal(nested.status.condition, 'unbound');
  const workload = await rig.workload();
  await rig.attach('h1', { target: workload.path, port: 'later' });
  await rig.portIs('later-v', 'up');
  await vlanDevice(workload, nested);
  assert.ok(await reaches(workload, 'inner', peers.four.port.addresses[0]!));
  await rig.lab.kill('h1');
  assert.ok(await peers.inFour.reaches(nested.addresses[0]!, 5), 'without an agent');
  await rig.lab.start('h1');
  await rig.lab.ready('h1');
  await rig.portIs('later-v', 'up');
  assert.ok(await peers.inFour.reaches(nested.addresses[0]!, 5));
  await rig.detach('h1', 'later');
  await rig.portIs('later-v', 'unbound');
});
