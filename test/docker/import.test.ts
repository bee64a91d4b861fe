/** Moving containers of a real engine from its own bridge to Heddle. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { heddle } from '../cli/heddle.ts';
import { DockerRig } from './rig.ts';

let rig: DockerRig;
before(async () => {
  rig = await DockerRig.open({ hosts: 1 });
});
after(() => rig[Symbol.asyncDispose]());

const imports = (...words: string[]) => {
  const host = rig.lab.host('h1');
  return heddle(['import', 'docker', '--tenant', 'acme', '--engine', rig.lab.engine('h1').socket, ...words], host.env);
};

test('containers on a bridge come to a Heddle network with their addresses and aliases, and talk as before', async () => {
  await rig.docker('h1', 'network', 'create', '--subnet', '172.29.0.0/24', 'shop');
  await rig.run('h1', 'web', 'shop');
  await rig.run('h1', 'db', 'shop', '--network-alias', 'pg');
  const addresses = { web: await rig.place('h1', 'web', 'shop'), db: await rig.place('h1', 'db', 'shop') };

  const shown = await imports();
  assert.equal(shown.code, 0, shown.stderr);
  assert.match(shown.stdout, /^shop +bridge +172\.29\.0\.0\/24 /m);
  assert.deepEqual(await rig.client.list('network', { tenant: 'acme' }), []);

  const done = await imports('shop', '--apply');
  assert.equal(done.code, 0, done.stderr);
  const port = await rig.port('acme', 'db', (p) => p.dnsNames.includes('pg') && p.status.condition === 'up');
  assert.deepEqual(port.addresses, [addresses.db]);
  assert.equal(await rig.place('h1', 'web', 'shop-heddle'), addresses.web);
  await rig.reached('h1', 'web', addresses.db);

  const again = await imports('shop', '--apply');
  assert.equal(again.code, 0, again.stderr);
  await rig.docker('h1', 'network', 'rm', 'shop');
});
