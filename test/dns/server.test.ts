/** Server and service on real sockets in a namespace; no agent, no gateway. */
import assert from 'node:assert/strict';
import { readdirSync, readlinkSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { encode } from 'dns-packet';
import { pino } from 'pino';
import { Forwarder } from '../../src/agent/dns/forward.ts';
import { DnsService } from '../../src/agent/dns/service.ts';
import { testNetwork, testPort } from '../../src/agent/dns/test-zone.ts';
import { until } from '../../src/lab/processes.ts';
import { type Ip, parseIp } from '../../src/model/address.ts';
import { type HostItem, type ItemKey, itemKey } from '../../src/model/host-state.ts';
import { eth, ip4, mac, udp } from '../datapath/frames.ts';
import { scratchNetns } from '../kernel/fixture.ts';
import { openPackets } from '../traffic/packets.ts';
import { DnsClient } from './dns-client.ts';

const log = pino({ level: 'silent' });
const scratch = scratchNetns();
const [four, six, late] = ['10.0.0.1', 'fd00:1::1', '10.0.0.2'].map(parseIp) as [Ip, Ip, Ip];
let client: DnsClient;
before(() => {
  scratch.ip('link', 'set', 'lo', 'up');
  scratch.ip('address', 'add', `${four}/32`, 'dev', 'lo');
  scratch.ip('address', 'add', `${six}/128`, 'dev', 'lo');
  client = new DnsClient(scratch.path);
});
after(async () => {
  await client[Symbol.asyncDispose]();
  scratch[Symbol.dispose]();
});

/** A service over a state that the test changes, with one network and one port "db". */
function world() {
  const network = testNetwork();
  const db = testPort('db', ['10.0.0.7', 'fd00:1::7'], { network: network.id });
  const items = new Map<ItemKey, HostItem>([network, db].map((item) => [itemKey(item), item]));
  const service = new DnsService({ forwarder: new Forwarder({ resolvers: { servers: [] } }), log }, items);
  const put = (item: HostItem): void => {
    items.set(itemKey(item), item);
    service.changed(itemKey(item), item);
  };
  const remove = (item: HostItem): void => {
    items.delete(itemKey(item));
    service.changed(itemKey(item), undefined);
  };
  return { network, db, service, put, remove, [Symbol.dispose]: () => service[Symbol.dispose]() };
}
const sockets = (): number =>
  readdirSync('/proc/self/fd').filter((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`).startsWith('socket:');
    } catch (e) {
      if ((e as NodeJS.ErrnoException).code === 'ENOENT') return false; // the one by which they were read
      throw e;
    }
  }).length;

test('each address answers over UDP and TCP, from the address that was asked', async () => {
  using w = world();
  w.service.gateway(w.network.id, { network: w.network.id, path: scratch.path, addresses: [four, six] });
  for (const server of [four, six])
    for (const transport of ['udp', 'tcp'] as const) {
      assert.deepEqual(
        (await client.ask(server, 'db', 'A', { transport })).data,
        ['10.0.0.7'],
        `${server} ${transport}`,
      );
      assert.deepEqual((await client.ask(server, 'db.web', 'AAAA', { transport })).data, ['fd00:1::7']);
    }
  assert.deepEqual([w.service.status.networks, w.service.status.failed], [1, []]);
});

test('node’s resolver finds names, and the names of addresses', async () => {
  using w = world();
  w.service.gateway(w.network.id, { network: w.network.id, path: scratch.path, addresses: [four] });
  assert.deepEqual(await client.resolve(four, 'DB.Web.acme.heddle.internal'), ['10.0.0.7']);
  assert.deepEqual(await client.resolve(four, 'fd00:1::7', 'PTR'), ['db.web.acme.heddle.internal']);
  await assert.rejects(client.resolve(four, 'nobody.web'), /ENOTFOUND/);
});

test('a record comes and goes with its port, and all with their network', async () => {
  using w = world();
  w.service.gateway(w.network.id, { network: w.network.id, path: scratch.path, addresses: [four] });
  const web = testPort('web1', ['10.0.0.8'], { network: w.network.id, dnsNames: ['db'] });
  w.put(web);
  assert.deepEqual((await client.ask(four, 'db')).data, ['10.0.0.7', '10.0.0.8']);
  w.remove(w.db);
  assert.deepEqual((await client.ask(four, 'db')).data, ['10.0.0.8']);
  w.remove(w.network);
  await assert.rejects(client.ask(four, 'db', 'A', { timeoutMs: 200 }));
  w.put(w.network);
  assert.deepEqual((await client.ask(four, 'db')).data, ['10.0.0.8']);
});

test('no socket is left when a gateway goes, changes, or cannot be served', async () => {
  const before = sockets();
  using w = world();
  w.service.gateway(w.network.id, { network: w.network.id, path: scratch.path, addresses: [four, six] });
  assert.equal(sockets(), before + 4);
  await client.ask(four, 'db', 'A', { transport: 'tcp' });
  w.service.gateway(w.network.id, { network: w.network.id, path: scratch.path, addresses: [four] });
  w.service.gateway(w.network.id, { network: w.network.id, path: '/run/netns/none', addresses: [four] });
  assert.match(w.service.status.failed[0]!.problem!, /no network namespace/);
  w.service.gateway(w.network.id, undefined);
  assert.deepEqual([w.service.status.networks, w.service.status.failed], [0, []]);
  await assert.rejects(client.ask(four, 'db', 'A', { timeoutMs: 200 }));
  await new Promise(setImmediate);
  assert.equal(sockets(), before);
});

test('a port that is taken is told, and served when it is free', async () => {
  using first = world();
  using second = world();
  first.service.gateway(first.network.id, { network: first.network.id, path: scratch.path, addresses: [four] });
  second.service.gateway(second.network.id, { network: second.network.id, path: scratch.path, addresses: [four] });
  assert.match(second.service.status.failed[0]!.problem!, /EADDRINUSE/);
  first.service.gateway(first.network.id, undefined);
  await until('it is served', 5_000, () => Promise.resolve(second.service.status.networks === 1 || undefined));
  assert.deepEqual((await client.ask(four, 'db')).data, ['10.0.0.7']);
});

test('a server may be opened before its address is there', async () => {
  using w = world();
  w.service.gateway(w.network.id, { network: w.network.id, path: scratch.path, addresses: [late] });
  scratch.ip('address', 'add', `${late}/32`, 'dev', 'lo');
  assert.deepEqual((await client.ask(late, 'db')).data, ['10.0.0.7']);
});

test('a client that has only a link-local address is not answered, and others are', async () => {
  using w = world();
  using workload = scratchNetns();
  // No interface of this process's own namespace has this number, and so none its name.
  const index = '424242';
  const at = workload.path.split('/').at(-1)!;
  scratch.ip('link', 'add', 'tenant', 'index', index, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', at);
  scratch.ip('link', 'set', 'tenant', 'address', '02:00:00:00:00:aa', 'up');
  workload.ip('link', 'set', 'eth0', 'addrgenmode', 'none', 'address', '02:00:00:00:00:bb', 'up');
  workload.ip('address', 'add', 'fe80::2/64', 'dev', 'eth0', 'nodad');
  workload.ip('route', 'add', `${six}/128`, 'dev', 'eth0');
  scratch.ip('neighbour', 'add', 'fe80::2', 'lladdr', '02:00:00:00:00:bb', 'dev', 'tenant');
  workload.ip('neighbour', 'add', six, 'lladdr', '02:00:00:00:00:aa', 'dev', 'eth0');
  w.service.gateway(w.network.id, { network: w.network.id, path: scratch.path, addresses: [six] });
  await using near = new DnsClient(workload.path);
  for (const transport of ['udp', 'tcp'] as const)
    await assert.rejects(near.ask(six, 'db', 'A', { transport, timeoutMs: 300 }), transport);
  assert.ok(w.service.status.dropped >= 1);
  assert.deepEqual((await client.ask(six, 'db', 'A', { transport: 'tcp' })).data, ['10.0.0.7']);
});

test('a query from port 0 is not answered, and ends nothing', async () => {
  using w = world();
  using workload = scratchNetns();
  const [theirs, ours] = ['02:00:00:00:00:bb', '02:00:00:00:00:aa'] as const;
  scratch.ip('link', 'add', 'zero', 'type', 'veth', 'peer', 'name', 'eth0', 'netns', workload.path.split('/').at(-1)!);
  scratch.ip('link', 'set', 'zero', 'address', ours, 'up');
  workload.ip('link', 'set', 'eth0', 'address', theirs, 'up');
  scratch.ip('route', 'add', '10.0.0.9/32', 'dev', 'zero');
  w.service.gateway(w.network.id, { network: w.network.id, path: scratch.path, addresses: [four] });
  using wire = openPackets(workload.path, 'eth0');
  const query = encode({ type: 'query', id: 9, questions: [{ name: 'db', type: 'A' }] });
  wire.send(eth(mac(ours), mac(theirs), 0x0800, ip4({ src: '10.0.0.9', dst: four, proto: 17 }, udp(0, 53, query))));
  await until('the query has arrived', 5_000, () => Promise.resolve(w.service.status.dropped === 1 || undefined));
  assert.deepEqual((await client.ask(four, 'db')).data, ['10.0.0.7']);
});

test('garbage, endless lengths and a hundred connections leave the server answering', async () => {
  using w = world();
  w.service.gateway(w.network.id, { network: w.network.id, path: scratch.path, addresses: [four] });
  const garbage = Buffer.alloc(600, 0xff);
  await assert.rejects(client.raw(four, garbage, { timeoutMs: 100 }));
  await assert.rejects(client.raw(four, Buffer.alloc(5000), { transport: 'tcp', timeoutMs: 500 }));
  const good = encode({ type: 'query', id: 9, questions: [{ name: 'db', type: 'A' }] });
  const all = await Promise.allSettled(
    Array.from({ length: 100 }, () => client.raw(four, good, { transport: 'tcp', timeoutMs: 2_000 })),
  );
  assert.ok(all.some((a) => a.status === 'fulfilled'));
  assert.deepEqual((await client.ask(four, 'db', 'A', { transport: 'tcp' })).data, ['10.0.0.7']);
});
