/** What comes over the socket is anything: the plug-in lives on, keeps nothing of it, and touches nothing that is not its own. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { test } from 'node:test';
import fc from 'fast-check';
import { requests } from '../../src/docker/protocol.ts';
import { Stage } from './stage.ts';

const methods = Object.keys(requests);
const hex = (n: number) => n.toString(16).padStart(8, '0').repeat(8);

/** Bytes as they are, on a connection of their own; all that is answered. */
async function raw(socket: string, parts: readonly (string | Buffer)[], end = true): Promise<string> {
  const connection = connect(socket);
  await once(connection, 'connect');
  let answer = '';
  connection.setEncoding('utf8').on('data', (text: string) => {
    answer += text;
  });
  const { promise: closed, resolve } = Promise.withResolvers<void>();
  connection.on('close', () => resolve());
  connection.on('error', () => undefined); // it may cut us off in the middle: that is its right
  for (const part of parts) if (connection.writable) connection.write(part);
  if (end) connection.end();
  else connection.destroy();
  await closed;
  return answer;
}

/** Values as they occur in calls, so that not all ends at the first check. */
const word = fc.oneof(
  fc.constantFrom(
    '',
    '0.0.0.0/0',
    '10.0.0.0/24',
    '10.0.0.5',
    '10.0.0.5/24',
    'fd00:1::/64',
    '::',
    'heddle',
    'LocalDefault',
    '02:00:00:00:00:01',
  ),
  fc.constantFrom(hex(1), hex(2), '../../etc/passwd', '__proto__', 'constructor', 'x'.repeat(70), '\u0000', '💥'),
  fc.string(),
);
const options = fc.dictionary(
  fc.oneof(
    fc.constantFrom(
      'heddle.network',
      'heddle.tenant',
      'heddle.subnet',
      'RequestAddressType',
      'com.docker.network.generic',
    ),
    fc.constantFrom(
      'com.docker.network.portmap',
      'com.docker.network.internal',
      'com.docker.network.driver.mtu',
      '__proto__',
    ),
    fc.string(),
  ),
  fc.oneof(fc.constantFrom<unknown>('web', 'acme', 'other', 'com.docker.network.gateway'), fc.jsonValue()),
);
const field = fc.oneof(word, options, fc.boolean(), fc.constant(null), fc.jsonValue());
const ipam = fc.array(
  fc.record({ AddressSpace: word, Pool: word, Gateway: word, AuxAddresses: options }, { requiredKeys: [] }),
);
const body = fc.oneof(
  fc.jsonValue(),
  fc.record(
    {
      ...{
        NetworkID: fc.oneof(fc.constantFrom(hex(1), hex(2)), word),
        EndpointID: fc.oneof(fc.constantFrom(hex(3), hex(4)), word),
      },
      ...{
        PoolID: word,
        Address: field,
        Pool: field,
        SubPool: field,
        AddressSpace: field,
        V6: fc.oneof(fc.boolean(), field),
      },
      ...{
        Options: fc.oneof(options, field),
        Interface: field,
        IPv4Data: fc.oneof(ipam, field),
        IPv6Data: fc.oneof(ipam, field),
      },
      SandboxKey: field,
    },
    { requiredKeys: [] },
  ),
);

/** An engine's network and container, which nothing here may harm. */
async function settled(stage: Stage) {
  const Options = { 'heddle.network': 'web', 'heddle.tenant': 'globex' };
  const { PoolID, Pool } = await stage.ok('IpamDriver.RequestPool', { Pool: '', Options, V6: false });
  const Data = { AddressSpace: 'heddle', Pool, Gateway: '10.0.0.1/24' };
  await stage.ok('NetworkDriver.CreateNetwork', { NetworkID: hex(99), Options: {}, IPv4Data: [Data] });
  const { Address } = await stage.ok('IpamDriver.RequestAddress', { PoolID, Address: '' });
  const ids = { NetworkID: hex(99), EndpointID: hex(98) };
  await stage.ok('NetworkDriver.CreateEndpoint', { ...ids, Interface: { Address } });
  await stage.ok('NetworkDriver.Join', { ...ids, SandboxKey: '/a' });
  return { PoolID, ids };
}
/** What the controller has of tenants that no call was for. */
const foreign = (stage: Stage) =>
  Promise.all((['network', 'subnet', 'port'] as const).map((kind) => stage.client.list(kind, { tenant: 'other' })));

test('bodies of any shape are answered, harm nobody, and leave nothing that a sweep does not find', async () => {
  await using stage = await Stage.open();
  const { PoolID, ids } = await settled(stage);
  const before = await foreign(stage);
  const port = stage.workloads.held.ports;
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...methods), body, async (method, value) => {
      const { status, body: answer } = await stage.post(method, value);
      assert.ok(status === 200 || status === 400, `${method} ${JSON.stringify(value)}: ${status}`);
      const problem = answer.Err ?? answer.Error ?? '';
      assert.doesNotMatch(problem, /^INTERNAL/, `${method} ${JSON.stringify(value)}`);
      if (problem !== '') assert.match(problem, /^[A-Z_]+: ./);
    }),
    { numRuns: 3000 },
  );
  const { records } = stage.plugin;
  for (const e of records.endpoints()) if (e.id !== ids.EndpointID) await records.forgetEndpoint(e.id);
  for (const n of records.networks()) if (n.id !== ids.NetworkID) await records.forgetNetwork(n.id);
  for (const p of records.pools()) if (p.id !== PoolID) await records.forgetPool(p.id);
  assert.deepEqual(stage.workloads.held.ports, port, 'the container has its port');
  assert.deepEqual(await foreign(stage), before);
  await stage.ok('NetworkDriver.Leave', ids);
  await stage.ok('NetworkDriver.DeleteEndpoint', ids);
  await stage.ok('IpamDriver.ReleasePool', { PoolID });
  await stage.ok('NetworkDriver.DeleteNetwork', { NetworkID: ids.NetworkID });
  await stage.nothingLeft();
});

test('what is no call is refused, and the plug-in goes on', async () => {
  await using stage = await Stage.open();
  const { socket } = stage;
  const post = (path: string, text: string, length = Buffer.byteLength(text)) =>
    `POST ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: ${length}\r\n\r\n${text}`;
  const status = (answer: string) => /^HTTP\/1\.1 (\d+)/.exec(answer)?.[1];
  assert.equal(status(await raw(socket, [post('/NetworkDriver.Nonesuch', '{}')])), '404');
  assert.equal(status(await raw(socket, [post('/NetworkDriver.GwAllocCheck', '{}')])), '404');
  assert.equal(status(await raw(socket, [post('/toString', '{}')])), '404');
  assert.equal(
    status(await raw(socket, ['GET /Plugin.Activate HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n'])),
    '404',
  );
  assert.equal(status(await raw(socket, [post('/NetworkDriver.Join', 'no JSON')])), '400');
  assert.equal(status(await raw(socket, [post('/NetworkDriver.Join', '[]')])), '400');
  assert.equal(status(await raw(socket, [post('/NetworkDriver.Join', '{}')])), '400');
  const deep = '['.repeat(200_000) + ']'.repeat(200_000);
  assert.equal(
    status(await raw(socket, [post('/NetworkDriver.CreateNetwork', `{"NetworkID":"a","Options":{"x":${deep}}}`)])),
    '200',
  );
  const huge = 'x'.repeat(2 << 20);
  // Who still writes may lose the answer.
  assert.match(status(await raw(socket, [post('/NetworkDriver.Join', `{"NetworkID":"${huge}"}`)])) ?? '413', /^413$/);
  assert.equal(status(await raw(socket, ['\u0016\u0003\u0001 this is TLS\r\n\r\n'])) ?? '', '');
  await stage.ok('Plugin.Activate');
});

test('requests that end in the middle, or never do, hold nothing up', async () => {
  await using stage = await Stage.open();
  const half = 'POST /NetworkDriver.DeleteNetwork HTTP/1.1\r\nHost: x\r\nContent-Length: 5000\r\n\r\n{"NetworkID":"';
  for (let cut = 1; cut < half.length; cut += 7) await raw(stage.socket, [half.slice(0, cut)], cut % 2 === 0);
  const waiting = await Promise.all(
    Array.from({ length: 50 }, async () => {
      const connection = connect(stage.socket);
      connection.on('error', () => undefined); // cut off at the end
      await once(connection, 'connect');
      connection.write(half);
      return connection;
    }),
  );
  await stage.ok('Plugin.Activate');
  for (const connection of waiting) connection.destroy();
  await stage.nothingLeft();
});
