/** A network of several subnets: the gateways join them, on one host and across hosts. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { Rig } from '../agent/rig.ts';

const rig = await Rig.open();
after(() => rig[Symbol.asyncDispose]());

test('workloads in two subnets of one network reach each other, on one host and across hosts, and no other network', async () => {
  const more = (name: string, cidr: string) =>
    rig.client.create('subnet', { name, network: 'web', cidr }, { tenant: rig.tenant });
  await more('more4', '10.1.0.0/24');
  await more('more6', 'fd00:2::/64');
  const put = async (host: string, addresses: string[], network = 'web') => {
    const w = await rig.workload();
    const { port } = await rig.attach(host, { target: w.path, network, addresses });
    await rig.portIs(port.id, 'up');
    return w;
  };
  const first = await put('h1', ['10.0.0.50', 'fd00:1::50']);
  const second = await put('h1', ['10.1.0.51', 'fd00:2::51']);
  const far = await put('h2', ['10.1.0.52', 'fd00:2::52']);
  await put('h1', ['10.4.0.50'], 'four');
  for (const ip of ['10.1.0.51', 'fd00:2::51', '10.1.0.52', 'fd00:2::52'])
    assert.ok(await first.reaches(ip, 10), `from the first subnet to ${ip}`);
  for (const w of [second, far])
    for (const ip of ['10.0.0.50', 'fd00:1::50']) assert.ok(await w.reaches(ip, 10), `back to ${ip}`);
  assert.equal(await first.reaches('10.4.0.50', 1), false, 'another network');
});
