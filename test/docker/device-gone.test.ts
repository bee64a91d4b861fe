/** A container's interface that somebody has removed is told, not made again behind its back; a new start brings it back. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { linkByName, linkDelete } from '../../src/kernel/link.ts';
import { openNetlink } from '../../src/kernel/netlink.ts';
import { openNetns } from '../../src/kernel/netns.ts';
import { until } from '../../src/lab/processes.ts';
import { DockerRig } from './rig.ts';

let rig: DockerRig;
before(async () => {
  rig = await DockerRig.open();
  await rig.addNetwork('acme', 'web', '10.0.0.0/24');
  await rig.join('h1', 'web', 'acme', 'web');
});
after(() => rig[Symbol.asyncDispose]());

test('a removed device of a container shows as its port’s error until the container starts anew', async () => {
  await rig.run('h1', 'victim', 'web');
  await rig.run('h1', 'near', 'web');
  const near = await rig.place('h1', 'near', 'web');
  const is = (condition: string) =>
    until(`the port is ${condition}`, 30_000, async () => {
      const { status } = await rig.port('acme', 'victim');
      return status.condition === condition ? status : undefined;
    });
  const { device = '' } = await is('up');
  using netns = openNetns(rig.lab.host('h1').netns);
  using nl = openNetlink(netns);
  linkDelete(nl, linkByName(nl, device)!.ifindex);
  const { code, message } = await is('error');
  assert.equal(code, 'DEVICE_GONE');
  assert.match(message ?? '', new RegExp(device));
  assert.equal(linkByName(nl, device), undefined, 'it is not made again without the workload’s end');
  await rig.docker('h1', 'restart', 'victim');
  await is('up');
  assert.equal(await rig.reaches('h1', 'victim', near), true);
});
