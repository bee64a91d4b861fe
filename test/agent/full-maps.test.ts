/** F8: a full map makes new ports fail and opens nothing; with room again they come up by themselves. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { fdbKey, fdbRow, maps, neigh4Key, neighRow } from '../../src/datapath/layouts.ts';
import { macBytes, parseMac } from '../../src/model/address.ts';
import { hasCode } from '../../src/model/errors.ts';
import { Rig } from './rig.ts';

const rig = await Rig.open();
after(() => rig[Symbol.asyncDispose]());
const [a, b, w] = [await rig.workload(), await rig.workload(), await rig.workload()] as const;
await rig.attach('h1', { target: a.path });
const onB = await rig.attach('h2', { target: b.path });
await rig.portIs(onB.port.id, 'up');
const ipB = onB.port.addresses[0]!;
assert.ok(await a.reaches(ipB, 5));

/** VNI of no network, so that the rows mean nothing to anybody. */
const vni = 0xff_ffff;
const ip = (n: number) => Uint8Array.of(n >>> 24, n >>> 16, n >>> 8, n);
const fillers = {
  neigh4: {
    key: (n: number) => neigh4Key.encode({ vni, ip: ip(n) }),
    value: neighRow.encode({ mac: new Uint8Array(6), host: 0, other: 0 }),
  },
  fdb: {
    key: (n: number) => fdbKey.encode({ vni, mac: Uint8Array.of(2, 0, ...ip(n)), pad: 0 }),
    value: fdbRow.encode({ ifindex: 0, slot: 0, host: 0, flags: 0, origin: 0, domain: 0, vlan: 0, other: 0, wired: 0 }),
  },
};

/** Fills a map of h1 up to its limit; disposing empties it of the fillers. */
function fill(name: keyof typeof fillers): Disposable {
  const { key, value } = fillers[name];
  const map = rig.map('h1', name);
  let n = 0;
  try {
    for (;;) map.update(key(n++), value);
  } catch (e) {
    if (!hasCode(e, 'KERNEL_MAP_FULL')) throw e;
  }
  return {
    [Symbol.dispose]() {
      for (let i = 0; i < n; i++) map.delete(key(i));
      map[Symbol.dispose]();
    },
  };
}

for (const name of ['neigh4', 'fdb'] as const)
  test(`with ${name} full an attach fails with its code, leaves nothing, and works when there is room`, async () => {
    const before = await rig.quietTrace('h1');
    {
      using _full = fill(name);
      await assert.rejects(rig.attach('h1', { target: w.path }), (e: Error) => {
        assert.ok(hasCode(e, 'KERNEL_MAP_FULL'), `${e}`);
        assert.deepEqual(e.details, { map: name, limit: maps[name].max });
        return true;
      });
      assert.equal(w.inside().link('eth0'), undefined);
      assert.ok(await a.reaches(ipB, 5), 'those that are there go on');
    }
    await rig.back('h1', before);
    const { port } = await rig.attach('h1', { target: w.path });
    await b.forgetNeighbours();
    assert.ok(await w.reaches(ipB, 5));
    await rig.detach('h1', port.id);
    await rig.back('h1', before);
  });

test('a remote port that has no room cannot be reached, opens nothing, and comes when there is room', async () => {
  await using late = await rig.workload();
  const { tenant } = rig;
  let ipLate = '';
  let id = '';
  {
    using _full = fill('fdb');
    const { port } = await rig.attach('h2', { target: late.path });
    id = port.id;
    ipLate = port.addresses[0]!;
    assert.equal(await a.reaches(ipLate, 1), false);
    const waiting = rig.client.update('port', id, { labels: { late: 'yes' } }, { tenant, waitMs: 2_000 });
    await assert.rejects(waiting, (e: Error) => hasCode(e, 'WAIT_TIMEOUT') && e.details.hosts.join() === 'h1');
    using fdb = rig.map('h1', 'fdb');
    const network = await rig.client.get('network', 'web', { tenant });
    assert.equal(fdb.lookup(fdbKey.encode({ vni: network.vni, mac: macBytes(parseMac(port.mac)), pad: 0 })), undefined);
  }
  assert.ok(await a.reaches(ipLate, 10), 'tried again within seconds');
  await rig.client.update('port', id, { labels: { late: 'no' } }, { tenant, waitMs: 10_000 });
  await rig.detach('h2', id);
});
