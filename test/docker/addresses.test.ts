/** Addresses that go from one engine's container to another's, and addresses that run out. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { parseIp } from '../../src/model/address.ts';
import { Letters } from '../agent/letters.ts';
import { DockerRig, type Left } from './rig.ts';

const moves = 20;

let rig: DockerRig;
let empty: Left;
before(async () => {
  rig = await DockerRig.open();
  await rig.addNetwork('acme', 'web', '10.0.0.0/24');
  await rig.addNetwork('acme', 'small', '10.7.0.0/29');
  empty = await rig.left();
  for (const host of ['h1', 'h2']) await rig.join(host, 'web', 'acme', 'web', '--subnet', '10.0.0.0/24');
});
after(() => rig[Symbol.asyncDispose]());

test('an address that containers of two engines have in turn is never another’s (F6)', async (t) => {
  await using letters = new Letters();
  const ends = [];
  for (const host of ['h1', 'h2']) {
    await rig.run(host, `sends-${host}`, 'web');
    await letters.sendFrom(await rig.netns(host, `sends-${host}`));
    const name = `has-${host}`;
    await rig.run(host, name, 'bridge');
    ends.push({ host, name });
    await letters.readAt(name, await rig.netns(host, name));
  }
  const names = ends.map(({ name }) => name);
  const addresses = ['10.0.0.100', '10.0.0.101'].map(parseIp);
  for (let turn = 0; turn < moves / 2; turn++) {
    await Promise.all(
      ends.map(async ({ host, name }, i) => {
        const ip = addresses[(i + turn) % 2]!;
        await rig.docker(host, 'network', 'connect', '--ip', ip, 'web', name);
        await letters.answer(letters.address(ip, [name]));
      }),
    );
    for (const ip of addresses) letters.address(ip, names);
    await Promise.all(ends.map(({ host, name }) => rig.docker(host, 'network', 'disconnect', 'web', name)));
  }
  assert.deepEqual([...letters.misdelivered], []);
  t.diagnostic(`${letters.delivered} of ${letters.sent} letters delivered`);
  for (const { host, name } of ends) await rig.docker(host, 'rm', '--force', name, `sends-${host}`);
  for (const host of ['h1', 'h2']) await rig.docker(host, 'network', 'rm', 'web');
  await rig.leaves(empty);
});

test('an exhausted network is told to docker’s user with its use and how to grow it; with another subnet the same command works', async () => {
  for (const host of ['h1', 'h2']) await rig.join(host, 'small', 'acme', 'small');
  const containers = ['h1', 'h2', 'h1', 'h2', 'h1'].map((host, i) => ({ host, name: `c${i}` }));
  for (const { host, name } of containers) await rig.run(host, name, 'small');
  const more = ['run', '--detach', '--stop-signal', 'KILL', '--network', 'small', 'busybox', 'sleep', 'infinity'];
  const said = await rig.refused('h2', ...more);
  assert.match(
    said,
    /ADDRESS_POOL_EXHAUSTED: network small has no free IPv4 address; subnet small0 \(10\.7\.0\.0\/29, pool \S+\): 5 used by ports, 0 held by hosts\. Add a subnet: heddle subnet create small-more --tenant acme --network small --cidr <prefix>/,
  );
  await rig.client.create('subnet', { name: 'small-more', network: 'small', cidr: '10.8.0.0/29' }, { tenant: 'acme' });
  const id = await rig.docker('h2', ...more);
  assert.match(await rig.place('h2', id, 'small'), /^10\.8\.0\./);
  for (const { host, name } of containers) await rig.reached('h2', id, await rig.place(host, name, 'small'));
  await rig.docker('h2', 'rm', '--force', id);
  for (const { host, name } of containers) await rig.docker(host, 'rm', '--force', name);
  for (const host of ['h1', 'h2']) await rig.docker(host, 'network', 'rm', 'small');
  await rig.leaves(empty);
});
