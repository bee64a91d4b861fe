/** An agent that starts recognises what the one before has left. */
// exclusive: not one ping may be lost, and a flood in another test fills the queues that all namespaces share
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { after, test } from 'node:test';
import { deviceName } from '../../src/agent/workload-end.ts';
import { indexKey, neigh4Key, neighRow, portRow, tallyKey, tallyRow } from '../../src/datapath/layouts.ts';
import { linkAddVeth, linkByName, linkSet } from '../../src/kernel/link.ts';
import { openNetns } from '../../src/kernel/netns.ts';
import { until } from '../../src/lab/processes.ts';
import { must } from '../../src/lab/run.ts';
import type { Mac } from '../../src/model/address.ts';
import { newId, type PortId } from '../../src/model/ids.ts';
import { PingStream } from '../traffic/ping-stream.ts';
import { Rig } from './rig.ts';

const rig = await Rig.open();
after(() => rig[Symbol.asyncDispose]());
const { lab } = rig;
const [a, b, c] = [await rig.workload(), await rig.workload(), await rig.workload()] as const;
const onA = await rig.attach('h1', { target: a.path });
const onB = await rig.attach('h2', { target: b.path });
const onC = await rig.attach('h1', { target: c.path });
for (const { port } of [onA, onB, onC]) await rig.portIs(port.id, 'up');
const ipB = onB.port.addresses[0]!;
assert.ok(await a.reaches(ipB, 5));

test('a restarted agent keeps devices, slots and counters', async () => {
  const ifindexes = () => rig.links('h1').map((l) => `${l.ifindex} ${l.name}`);
  const slots = () => {
    using map = rig.map('h1', 'ports');
    return map
      .entries()
      .map(([key, value]) => `${indexKey.decode(key).index} ${portRow.decode(value).slot}`)
      .sort();
  };
  const packets = async () => {
    const { counters } = (await rig.client.get('port', onA.port.id, {
      tenant: rig.tenant,
      counters: true,
    })) as never as {
      counters: { txPackets: string };
    };
    return Number(counters.txPackets);
  };
  await a.exec(['ping', '-n', '-q', '-c', '101', '-i', '0.002', ipB]);
  const [links, before, counted] = [ifindexes(), slots(), await packets()];
  assert.ok(counted > 100);
  await lab.kill('h1', 'SIGKILL');
  await lab.start('h1');
  await rig.inSync('h1');
  assert.deepEqual([ifindexes(), slots()], [links, before]);
  assert.ok((await packets()) >= counted);
});

test('a restarted agent removes its orphans, makes half-made devices anew, and leaves foreign ones alone', async () => {
  await lab.kill('h1', 'SIGKILL');
  const pair = (name: string, alias: string | undefined) => {
    using nl = rig.netlink('h1');
    using netns = openNetns(c.path);
    const peer = { name: `p${name.slice(-8)}`, mac: '02:00:00:00:00:31' as Mac, mtuBytes: 1400, netns };
    linkAddVeth(nl, { name, ...(alias && { alias }), peer });
  };
  pair('hd0000000000001', `heddle:${newId()}`);
  // A device with our name is ours only if there is a record of it: that is on the disk before the device is made.
  const unfinished = newId<PortId>();
  const record = {
    port: unfinished,
    tenant: rig.tenant,
    network: 'web',
    name: 'x',
    kind: 'netns',
    ifname: 'eth7',
    owned: true,
    state: 'attaching',
    target: { path: c.path, identity: 'x' },
  };
  writeFileSync(`${rig.stateDir('h1')}/attachments/${unfinished}.json`, JSON.stringify(record));
  pair(deviceName(unfinished), undefined);
  pair('hd0000000000002', undefined);
  pair('hdforeign', undefined);
  pair('veth9', 'somebody:else');
  {
    using nl = rig.netlink('h1');
    linkSet(nl, linkByName(nl, onA.device)!.ifindex, { up: false });
    using tally = rig.map('h1', 'tally');
    tally.update(tallyKey.encode({ slot: 9, reason: 1 }), tallyRow.encode({ packets: 1n }));
    using neigh4 = rig.map('h1', 'neigh4');
    neigh4.update(new Uint8Array(neigh4Key.size).fill(9), new Uint8Array(neighRow.size).fill(9));
  }
  await lab.start('h1');
  await rig.inSync('h1');
  await until('the orphans are gone', 20_000, () =>
    rig.links('h1').some((l) => l.name === 'hd0000000000001' || l.name === deviceName(unfinished)) ? undefined : true,
  );
  const names = rig.links('h1').map((l) => l.name);
  for (const foreign of ['hd0000000000002', 'hdforeign', 'veth9']) assert.ok(names.includes(foreign), names.join());
  using neigh4 = rig.map('h1', 'neigh4');
  assert.equal(neigh4.lookup(new Uint8Array(neigh4Key.size).fill(9)), undefined);
  await rig.portIs(onA.port.id, 'up');
  assert.ok(await a.reaches(ipB, 5));
});

test('a restarted agent makes a half-made VXLAN device anew, and does not touch somebody else’s', async () => {
  const inPlace = async (...more: string[]) => {
    await lab.kill('h1', 'SIGKILL');
    const ip = (...argv: string[]) => must(lab.host('h1').argv(['ip', 'link', ...argv]));
    await ip('delete', 'hdvx0');
    await ip('add', 'hdvx0', 'type', 'vxlan', 'external', 'dstport', '4789');
    if (more.length > 0) await ip('set', 'hdvx0', ...more);
    await lab.start('h1');
  };
  const ours = () => rig.links('h1').find((l) => l.name === 'hdvx0');
  await inPlace();
  await until('the device is ours', 10_000, () => (ours()?.alias === 'heddle:vxlan' && ours()?.up ? true : undefined));
  await rig.inSync('h1');
  assert.ok(await a.reaches(ipB, 5));
  await inPlace('alias', 'somebody');
  await until('the agent ends', 10_000, () => (lab.pid('h1') === undefined ? true : undefined));
  assert.match(readFileSync(lab.logFile('h1'), 'utf8'), /hdvx0 is somebody else’s vxlan/);
  assert.equal(ours()?.alias, 'somebody');
  await must(lab.host('h1').argv(['ip', 'link', 'delete', 'hdvx0']));
  await lab.start('h1');
  await rig.inSync('h1');
});

test('with the controller away a restarted agent keeps everything', async () => {
  const before = await rig.quietTrace('h1');
  await lab.kill('controller');
  await lab.kill('h1', 'SIGKILL');
  await using ping = new PingStream(a.path, ipB);
  await using local = new PingStream(a.path, onC.port.addresses[0]!);
  await lab.start('h1');
  await until('the agent serves', 60_000, async () => {
    const status = await rig.statusIfServed('h1');
    return status && !status.controller.connected && !status.synced && status.ports.up === 2 ? true : undefined;
  });
  await lab.kill('h1', 'SIGKILL');
  await lab.start('h1');
  const again = await until('the agent serves again', 60_000, () => rig.statusIfServed('h1'));
  assert.equal(again.synced, false);
  for (const flow of [ping, local]) {
    const { sent, received } = await flow.stop();
    assert.equal(received, sent);
  }
  await lab.start('controller');
  await lab.ready('controller');
  await rig.portIs(onA.port.id, 'up', 60_000);
  await rig.back('h1', before);
});

test('an attach that was cut off is undone by the next agent', async () => {
  const before = await rig.quietTrace('h1');
  await using w = await rig.workload();
  const { port } = await rig.attach('h1', { target: w.path });
  await lab.kill('h1', 'SIGKILL');
  const file = `${rig.stateDir('h1')}/attachments/${port.id}.json`;
  writeFileSync(file, JSON.stringify({ ...JSON.parse(readFileSync(file, 'utf8')), state: 'attaching' }));
  await lab.start('h1');
  await rig.inSync('h1');
  await rig.back('h1', before);
  assert.equal(w.inside().link('eth0'), undefined);
});
