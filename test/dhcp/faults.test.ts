// exclusive: a flood is to disturb nobody, and that shows only where nothing else does
/** Rogue servers, floods, networks without a gateway; agents that are killed and controllers that are gone. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { udpFrame } from '../../src/agent/dhcp/frame.ts';
import { clientFrames, clientMac } from '../../src/agent/dhcp/test-clients.ts';
import { until } from '../../src/lab/processes.ts';
import type { Ip, Mac } from '../../src/model/address.ts';
import type { PortCounters } from '../../src/model/host-state.ts';
import { Rig } from '../agent/rig.ts';
import { contains, openPackets } from '../traffic/packets.ts';
import { blank, dhclient, udhcpc } from './clients.ts';

const rig = await Rig.open({ hosts: 1 });
after(() => rig[Symbol.asyncDispose]());
const attach = async (port: string, more: { mac?: string; network?: string } = {}) => {
  const workload = await rig.workload();
  const attached = await rig.attach('h1', { target: workload.path, port, ...more });
  return { netns: workload.path, ...attached.port };
};
const attacker = await attach('attacker', { mac: clientMac });
const victim = await attach('victim');
const reasons = async (port: string): Promise<Record<string, number>> => {
  const { counters } = (await rig.client.get('port', port, { tenant: rig.tenant, counters: true })) as unknown as {
    counters: PortCounters;
  };
  return Object.fromEntries(Object.entries(counters.reasons).map(([name, n]) => [name, Number(n)]));
};
/** How long a new client takes to its address, milliseconds. */
async function served(): Promise<number> {
  const began = performance.now();
  await using client = udhcpc(victim.netns, '-q');
  assert.equal((await client.next('bound')).values.ip, victim.addresses[0]);
  return performance.now() - began;
}

test('offers of a workload reach nobody, whatever port they are sent from; its other packets do', async () => {
  using from = openPackets(attacker.netns, 'eth0');
  using to = openPackets(victim.netns, 'eth0');
  const way = {
    from: { mac: clientMac as Mac, ip: attacker.addresses[0] as Ip },
    to: { mac: victim.mac as Mac, ip: victim.addresses[0] as Ip },
  };
  const mark = Buffer.from('heddle-rogue-offer');
  for (const [source, target] of [
    [67, 68],
    [6767, 68],
    [67, 6868],
  ] as const)
    from.send(udpFrame(way, source, target, mark));
  from.send(udpFrame(way, 6767, 6868, Buffer.from('heddle-control')));
  const seen: Uint8Array[] = [];
  await until('the control arrives', 5_000, async () => {
    seen.push(...to.received());
    return seen.some((frame) => contains(frame, 'heddle-control')) ? true : undefined;
  });
  assert.ok(!seen.some((frame) => contains(frame, mark)));
  assert.equal((await reasons('attacker')).dhcp_server, 3);
});

test('a flood of requests is cut off at its own port: the neighbour gets its address as fast, and the agent hears little', async (t) => {
  await blank(victim.netns);
  const quiet = await served();
  const before = (await rig.status('h1')).dhcp.messages;
  using from = openPackets(attacker.netns, 'eth0');
  let sent = 0;
  let flooding = true;
  const began = performance.now();
  const flood = (async () => {
    const frames = Object.values(clientFrames);
    while (flooding) {
      for (let i = 0; i < 200; i++) from.send(frames[sent++ % frames.length]!);
      await turn();
    }
  })();
  const times = [];
  try {
    for (let i = 0; i < 5; i++) times.push(await served());
  } finally {
    flooding = false;
    await flood;
  }
  const seconds = (performance.now() - began) / 1_000;
  const { service_rate = 0, service_request = 0 } = await reasons('attacker');
  t.diagnostic(
    `${sent} requests in ${seconds.toFixed(1)} s, ${service_request} heard; neighbour ${times.map(Math.round)} ms, before ${Math.round(quiet)} ms`,
  );
  assert.equal(service_rate + service_request, sent);
  assert.ok(service_request <= 32 + 8 * (seconds + 1), `${service_request} in ${seconds} s`);
  assert.ok(Math.max(...times) < 2_000, `${times}`);
  const { messages } = (await rig.status('h1')).dhcp;
  const total = (all: Record<string, number>) => Object.values(all).reduce((n, x) => n + x, 0);
  assert.ok(total(messages) - total(before) <= service_request + 40);
});

test('broken requests are counted, and the next whole one is answered', async () => {
  using from = openPackets(attacker.netns, 'eth0');
  const malformed = async () => (await rig.status('h1')).dhcp.messages.malformed ?? 0;
  const before = await malformed();
  await until('its requests are heard again, and counted', 10_000, async () => {
    const broken = Uint8Array.from(clientFrames.udhcpcDiscover);
    broken.fill(7, 14 + 28 + 236, 14 + 28 + 240);
    from.send(broken);
    return (await malformed()) > before ? true : undefined;
  });
  await served();
});

test('a network without a gateway answers nothing, and forwards no request', async () => {
  const { tenant } = rig;
  await rig.client.create('network', { name: 'alone' }, { tenant });
  await rig.client.create(
    'subnet',
    { name: 'alone4', network: 'alone', cidr: '10.7.0.0/24', gateway: null },
    { tenant },
  );
  const one = await attach('one', { network: 'alone', mac: clientMac });
  const two = await attach('two', { network: 'alone' });
  using from = openPackets(one.netns, 'eth0');
  using to = openPackets(two.netns, 'eth0');
  from.send(clientFrames.udhcpcDiscover);
  assert.equal((await reasons('one')).service_none, 1);
  assert.deepEqual(
    to.received().filter((frame) => contains(frame, 'udhcp')),
    [],
  );
  assert.deepEqual(
    from.received().filter((frame) => contains(frame, 'udhcp')),
    [],
  );
});

test('a killed agent’s successor answers and advertises, also without a controller', async () => {
  await blank(victim.netns);
  await rig.lab.kill('h1');
  await rig.lab.kill('controller');
  await using client = udhcpc(victim.netns, '-t', '60');
  await rig.lab.start('h1');
  assert.equal((await client.next('bound')).values.ip, victim.addresses[0]);
  await using six = dhclient(victim.netns, 6);
  assert.equal((await six.next('BOUND6')).values.new_ip6_address, victim.addresses[1]);
  await until('its ports hear of their router, unasked', 5_000, async () =>
    ((await rig.status('h1')).dhcp.messages.advertisement ?? 0) >= 2 ? true : undefined,
  );
  await rig.lab.start('controller');
});
