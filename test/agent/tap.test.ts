/** Taps: what an attach makes or takes, what a guest behind one can do, and what stays when the agent does not. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { deviceName } from '../../src/agent/workload-end.ts';
import { linkSet } from '../../src/kernel/link.ts';
import { inNetns, openNetns } from '../../src/kernel/netns.ts';
import { makeTap } from '../../src/kernel/tap.ts';
import { watchKernel } from '../../src/kernel/watch.ts';
import { until } from '../../src/lab/processes.ts';
import { must } from '../../src/lab/run.ts';
import { newId, type PortId } from '../../src/model/ids.ts';
import type { Attached } from '../../src/model/local-api.ts';
import { eth, ip4, mac, udp } from '../datapath/frames.ts';
import { transfer } from '../traffic/bulk.ts';
import { contains, openPackets } from '../traffic/packets.ts';
import { PingStream } from '../traffic/ping-stream.ts';
import type { Stage, Station } from '../traffic/stage.ts';
import { Rig } from './rig.ts';
import { TapGuest } from './tap-guest.ts';
import type { Workload } from './workload.ts';

const notOpen = 'no program has the tap open';
let rig: Rig;
let near: Workload;
let far: Workload;
/** Addresses of workloads on the guest's host and on the other one. */
let addresses: { near: string[]; far: string[] };
let farMac: string;

before(async () => {
  rig = await Rig.open();
  [near, far] = [await rig.workload(), await rig.workload()];
  const [a, b] = [await rig.attach('h1', { target: near.path }), await rig.attach('h2', { target: far.path })];
  for (const { port } of [a, b]) await rig.portIs(port.id, 'up');
  farMac = b.port.mac;
  addresses = { near: a.port.addresses, far: b.port.addresses };
  // From now on the way between the hosts is known, and its rows stay as they are.
  for (const ip of b.port.addresses) assert.ok(await near.reaches(ip, 5));
});
after(() => rig?.[Symbol.asyncDispose]());

const tap = (name: string) => rig.links('h1').find((l) => l.name === name);
const message = async (port: string) => (await rig.port(port)).status.message;
const messageIs = (port: string, want: string | undefined) =>
  until(`port ${port} says ${want}`, 10_000, async () => ((await message(port)) === want ? true : undefined));
/** What its owner gave it: the rest is who has it open, and follows by a moment. */
function settings(name: string): object {
  const { up, mtuBytes, alias, addrGenMode, master } = tap(name)!;
  return { up, mtuBytes, alias, addrGenMode, master, ipv6: rig.hasIpv6('h1', name) };
}
const inHost = (...argv: string[]) => must(rig.lab.host('h1').argv(argv));
async function reason(port: Attached['port'], name: string): Promise<number> {
  const answer = await rig.client.get('port', port.id, { tenant: rig.tenant, counters: true });
  return Number((answer as { counters?: { reasons: Record<string, number> } }).counters?.reasons[name] ?? 0);
}

test('an attach makes a persistent tap with owner and queues, up, marked, and with the program on it', async () => {
  const trace = await rig.trace('h1');
  const made = await rig.attach('h1', { kind: 'tap', ifname: 'tap-vm1', owner: 65534, queues: 2 });
  const { port, device, ifname, mtuBytes } = made;
  assert.deepEqual([port.name, device, ifname], ['h1-tap-vm1', 'tap-vm1', 'tap-vm1']);
  const link = tap('tap-vm1');
  assert.deepEqual(
    [link?.alias, link?.up, link?.carrier, link?.mtuBytes, link?.tap],
    [`heddle:${port.id}`, true, false, mtuBytes, { multiQueue: true, owner: 65534 }],
  );
  assert.ok(!rig.hasIpv6('h1', 'tap-vm1'), 'a host that forwards would report its groups to the guest');
  const details = await inHost('ip', '-d', 'link', 'show', 'dev', 'tap-vm1');
  assert.match(details, /tun type tap pi off vnet_hdr on .*persist on user nobody/);
  assert.match(await inHost('tc', 'filter', 'show', 'dev', 'tap-vm1', 'ingress'), /heddle:from_port/);
  await rig.portIs(port.id, 'up');
  assert.equal(await message(port.id), notOpen);
  await rig.detach('h1', port.id);
  await rig.back('h1', trace);
});

test('a guest reaches workloads of its own and of another host, and they reach it, with one queue and with two', async () => {
  for (const queues of [1, 2]) {
    const made = await rig.attach('h1', { kind: 'tap', queues });
    await rig.portIs(made.port.id, 'up');
    {
      await using guest = await TapGuest.start(rig, 'h1', made, queues);
      await messageIs(made.port.id, undefined);
      for (const ip of [...addresses.near, ...addresses.far]) assert.ok(await guest.workload.reaches(ip, 5), ip);
      for (const from of [near, far])
        for (const ip of made.port.addresses) assert.ok(await from.reaches(ip, 5), `${from.name} to ${ip}`);
      const station = { workload: guest.workload.name, netns: guest.workload.path } as Station;
      const other = { workload: far.name, netns: far.path } as Station;
      const lab = { lab: rig.lab } as Stage;
      for (const ip of addresses.far) await transfer(lab, station, other, ip, 4 << 20);
      for (const ip of made.port.addresses) await transfer(lab, other, station, ip, 4 << 20);
    }
    await messageIs(made.port.id, notOpen);
    await rig.detach('h1', made.port.id);
  }
});

test('what a guest sends under another MAC or address is dropped, and counted for its port', async () => {
  const made = await rig.attach('h1', { kind: 'tap' });
  await using guest = await TapGuest.start(rig, 'h1', made);
  const [ip = ''] = made.port.addresses;
  assert.ok(await guest.workload.reaches(addresses.far[0]!, 5));
  using packets = openPackets(guest.workload.path, 'eth0');
  using seen = openPackets(far.path, 'eth0');
  const [to, self, stranger] = [mac(farMac), mac(made.port.mac), mac('02:00:00:00:66:66')];
  const text = (word: string) => udp(1, 9, new TextEncoder().encode(word));
  const dst = addresses.far[0]!;
  packets.send(eth(to, stranger, 0x800, ip4({ src: ip, dst }, text('strange mac'))));
  packets.send(eth(to, self, 0x800, ip4({ src: '10.0.0.199', dst }, text('strange ip'))));
  packets.send(eth(to, self, 0x800, ip4({ src: ip, dst }, text('honest'))));
  const arrived: Uint8Array[] = [];
  await until('the honest packet arrives', 10_000, async () => {
    arrived.push(...seen.received());
    return arrived.some((frame) => contains(frame, 'honest')) ? true : undefined;
  });
  assert.ok(!arrived.some((frame) => contains(frame, 'strange')));
  assert.deepEqual([await reason(made.port, 'src_mac'), await reason(made.port, 'src_ip4')], [1, 1]);
  await rig.detach('h1', made.port.id);
});

test('a guest that sends more than fits is told what does', async () => {
  const made = await rig.attach('h1', { kind: 'tap' });
  await using guest = await TapGuest.start(rig, 'h1', made);
  await must(guest.workload.argv(['ip', 'link', 'set', 'dev', 'eth0', 'mtu', '9000']));
  for (const [ip, told] of [
    [addresses.far[0]!, 'mtu = 1450'],
    [addresses.far[1]!, 'mtu=1450'],
  ] as const) {
    const { code, stdout } = await guest.workload.exec([
      'ping',
      '-n',
      '-c',
      '1',
      '-w',
      '5',
      '-M',
      'do',
      '-s',
      '5000',
      ip,
    ]);
    assert.equal(code, 1);
    assert.ok(stdout.includes(told), stdout);
  }
  await rig.detach('h1', made.port.id);
});

test('an attach that is repeated answers the same; one that asks for something else is refused', async () => {
  const before = rig.links('h1').length;
  const request = { kind: 'tap', ifname: 'tap9', port: 'vm9' } as const;
  const [first, second] = [await rig.attach('h1', request), await rig.attach('h1', request)];
  const byPort = await rig.attach('h1', { kind: 'tap', port: 'vm9' });
  for (const again of [second, byPort])
    assert.deepEqual([again.port.id, again.port.mac, again.ifname], [first.port.id, first.port.mac, 'tap9']);
  await assert.rejects(rig.attach('h1', { ...request, queues: 2 }), {
    code: 'ATTACHMENT_CONFLICT',
    message: /tap9 with queues 1, not queues 2/,
  });
  await assert.rejects(rig.attach('h1', { ...request, network: 'four' }), { code: 'ATTACHMENT_CONFLICT' });
  assert.equal(rig.links('h1').length, before + 1);
  await rig.detach('h1', 'vm9');
});

test('requests that make no sense are refused in words, and nothing is left', async () => {
  const trace = await rig.trace('h1');
  const attach = (body: object) =>
    rig.local('h1', 'POST', '/v1/attachments', { tenant: rig.tenant, network: 'web', ...body });
  await assert.rejects(attach({ kind: 'tap', queues: 0 }), { code: 'INVALID', message: /queues/ });
  await assert.rejects(attach({ kind: 'tap', target: '/x' }), { code: 'INVALID' });
  await assert.rejects(attach({ kind: 'tape' }), { code: 'INVALID', message: /kind|tag/ });
  await assert.rejects(attach({}), { code: 'INVALID' });
  await assert.rejects(attach({ kind: 'tap', ifname: 'eth0' }), { code: 'IFNAME_TAKEN' });
  await assert.rejects(attach({ kind: 'tap', ifname: 'a/b' }), { code: 'IFNAME_INVALID' });
  for (const ifname of ['tap%d', 'a;b', '$(id)'])
    await assert.rejects(attach({ kind: 'tap', ifname }), { code: 'IFNAME_INVALID' });
  await rig.back('h1', trace);
});

test('a killed agent leaves tap and guest as they are; one that is detached while it is open goes', async () => {
  const trace = await rig.trace('h1');
  const made = await rig.attach('h1', { kind: 'tap', ifname: 'tap-kill', port: 'vmkill' });
  await using guest = await TapGuest.start(rig, 'h1', made);
  await using stream = new PingStream(guest.workload.path, addresses.far[0]!);
  const { ifindex } = tap('tap-kill')!;
  await rig.lab.kill('h1');
  assert.ok(await guest.workload.reaches(addresses.far[1]!, 5), 'without an agent');
  await rig.lab.start('h1');
  await rig.inSync('h1');
  assert.ok(await guest.workload.reaches(addresses.far[0]!, 5));
  assert.equal(tap('tap-kill')?.ifindex, ifindex);
  const { received } = await stream.stop();
  assert.ok(received > 0);
  assert.equal((await rig.attach('h1', { kind: 'tap', port: 'vmkill' })).port.id, made.port.id);
  await rig.detach('h1', made.port.id);
  await guest.ended();
  await rig.back('h1', trace);
});

test('what a killed agent left half made is undone: a tap without its mark, one without its name, and their records', async () => {
  const trace = await rig.trace('h1');
  await rig.lab.kill('h1');
  const ids = [newId<PortId>(), newId<PortId>()] as PortId[];
  {
    using nl = rig.netlink('h1');
    for (const [n, port] of ids.entries()) {
      const record = {
        port,
        tenant: rig.tenant,
        network: 'web',
        name: `half${n}`,
        kind: 'tap',
        ifname: `tap-half${n}`,
      };
      writeFileSync(
        `${rig.stateDir('h1')}/attachments/${port}.json`,
        JSON.stringify({ ...record, taken: false, queues: 1, owned: true, state: 'attaching' }),
      );
      const { ifindex } = makeTap(nl, { name: deviceName(port), multiQueue: false });
      if (n === 1) linkSet(nl, ifindex, { alias: `heddle:${port}` });
    }
  }
  await rig.lab.start('h1');
  await rig.inSync('h1');
  await rig.back('h1', trace);
});

test('a tap that was there is taken, and left as it was: down or up, also after a restart, and when attaching fails', async () => {
  await inHost('ip', 'tuntap', 'add', 'dev', 'tap-own', 'mode', 'tap');
  await inHost('ip', 'link', 'set', 'dev', 'tap-own', 'mtu', '1999', 'alias', 'its owner’s');
  for (const [state, between] of [
    ['down', async () => {}],
    ['up', () => rig.lab.restart('h1')],
    ['down', () => rig.lab.restart('h1')],
  ] as const) {
    await inHost('ip', 'link', 'set', 'dev', 'tap-own', state);
    const [trace, was] = [await rig.trace('h1'), settings('tap-own')];
    const made = await rig.attach('h1', { kind: 'tap', ifname: 'tap-own' });
    assert.equal(tap('tap-own')?.alias, `heddle-taken:${made.port.id}`);
    assert.equal(tap('tap-own')?.mtuBytes, made.mtuBytes);
    await between();
    {
      await using guest = await TapGuest.start(rig, 'h1', made);
      assert.ok(await guest.workload.reaches(addresses.far[0]!, 5));
    }
    await rig.detach('h1', made.port.id);
    await rig.back('h1', trace);
    assert.deepEqual(settings('tap-own'), was);
    assert.doesNotMatch(await inHost('tc', 'qdisc', 'show', 'dev', 'tap-own'), /clsact/);
  }
  const [trace, was] = [await rig.trace('h1'), settings('tap-own')];
  await assert.rejects(rig.attach('h1', { kind: 'tap', ifname: 'tap-own', network: 'nowhere' }), { code: 'NOT_FOUND' });
  await rig.back('h1', trace);
  assert.deepEqual(settings('tap-own'), was);
  await inHost('ip', 'link', 'del', 'tap-own');
});

test('a taken tap that was down is never up without the program', async () => {
  await inHost('ip', 'tuntap', 'add', 'dev', 'tap-own', 'mode', 'tap');
  const { ifindex } = tap('tap-own')!;
  const steps: string[] = [];
  const step = (name: string) => void (steps.at(-1) === name || steps.push(name));
  using netns = openNetns(rig.lab.host('h1').netns);
  using _watch = inNetns(netns, () =>
    watchKernel({ links: true, tc: true }, (event) => {
      if (event.kind === 'link' && event.link.ifindex === ifindex) step(event.link.up ? 'up' : 'down');
      if (event.kind === 'tc' && event.ifindex === ifindex) step(event.action === 'put' ? 'program' : 'no program');
    }),
  );
  const { port } = await rig.attach('h1', { kind: 'tap', ifname: 'tap-own' });
  await rig.detach('h1', port.id);
  await until('all is told', 10_000, async () => (steps.includes('no program') ? true : undefined));
  const whole = steps.filter((s, n) => s !== 'down' || steps[n - 1] === 'up');
  assert.deepEqual(whole, ['program', 'up', 'down', 'no program']);
  await inHost('ip', 'link', 'del', 'tap-own');
});

test('a tap that is in a bridge, or was made otherwise than it is asked for, is not taken', async () => {
  await inHost('ip', 'tuntap', 'add', 'dev', 'tap-own', 'mode', 'tap', 'user', '65534');
  await inHost('ip', 'link', 'add', 'br-own', 'type', 'bridge');
  await inHost('ip', 'link', 'set', 'dev', 'tap-own', 'master', 'br-own');
  const was = settings('tap-own');
  const refused = (message: RegExp, more: object = {}) =>
    assert.rejects(rig.attach('h1', { kind: 'tap', ifname: 'tap-own', ...more }), { code: 'INVALID', message });
  await refused(/ifname: tap-own is in a bridge or bond/);
  assert.deepEqual(settings('tap-own'), was);
  await inHost('ip', 'link', 'del', 'br-own');
  await refused(/queues: tap-own is there and of one queue, not 4/, { queues: 4 });
  await refused(/owner: tap-own is there and has owner 65534, not 1/, { owner: 1 });
  const made = await rig.attach('h1', { kind: 'tap', ifname: 'tap-own', owner: 65534 });
  await rig.detach('h1', made.port.id);
  await inHost('ip', 'link', 'del', 'tap-own');
  await inHost('ip', 'tuntap', 'add', 'dev', 'tap-own', 'mode', 'tap', 'multi_queue');
  await refused(/queues: tap-own is there and for several queues/);
  await inHost('ip', 'link', 'del', 'tap-own');
});

test('a taken tap that its owner removes is an error of the port until it is back', async () => {
  const add = () => inHost('ip', 'tuntap', 'add', 'dev', 'tap-own', 'mode', 'tap');
  await add();
  const { port } = await rig.attach('h1', { kind: 'tap', ifname: 'tap-own', port: 'taken' });
  await rig.portIs('taken', 'up');
  await inHost('ip', 'link', 'del', 'tap-own');
  const { status } = await rig.portIs('taken', 'error');
  assert.equal(status.code, 'TAP_GONE');
  await add();
  await rig.portIs('taken', 'up');
  assert.equal(tap('tap-own')?.alias, `heddle-taken:${port.id}`);
  await rig.detach('h1', 'taken');
  await inHost('ip', 'link', 'del', 'tap-own');
});

test('a tap that somebody removed is made again; so is one after a reboot, when nothing of it is left', async () => {
  const { port } = await rig.attach('h1', { kind: 'tap', ifname: 'tap-back', port: 'back' });
  const before = tap('tap-back')!;
  await inHost('ip', 'link', 'del', 'tap-back');
  const back = () =>
    until('the tap is back', 10_000, async () => {
      const now = tap('tap-back');
      return now?.alias === `heddle:${port.id}` && now.up && now.ifindex !== before.ifindex ? true : undefined;
    });
  await back();
  // All of it, or its last step, as if the agent had died in the middle of making it.
  for (const lost of [
    ['del', 'tap-back'],
    ['set', 'dev', 'tap-back', 'down', 'name', deviceName(port.id as PortId)],
  ]) {
    await rig.lab.kill('h1');
    await inHost('ip', 'link', ...lost);
    await rig.lab.start('h1');
    await rig.inSync('h1');
    await back();
  }
  const made = await rig.attach('h1', { kind: 'tap', port: 'back' });
  assert.deepEqual([made.port.id, made.port.mac, made.ifname], [port.id, port.mac, 'tap-back']);
  await using guest = await TapGuest.start(rig, 'h1', made);
  assert.ok(await guest.workload.reaches(addresses.far[0]!, 5));
  await rig.detach('h1', 'back');
});
