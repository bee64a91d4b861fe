/** A host with a Docker engine leaves: what runs is named; forced, containers go on without a network, and nothing of it is left. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { openLocal } from '../../src/client/local.ts';
import { until } from '../../src/lab/processes.ts';
import { must } from '../../src/lab/run.ts';
import type { Left } from '../../src/model/leave.ts';
import { DockerRig } from './rig.ts';

let rig: DockerRig;
before(async () => {
  rig = await DockerRig.open();
  await rig.joinWeb();
});
after(() => rig[Symbol.asyncDispose]());

const leave = (body: object) =>
  openLocal(rig.lab.host('h1').agentSocket).request('POST', '/v1/leave', { body }) as Promise<Left>;

test('containers and Docker’s networks are in the way; forced, the port goes, the container runs on', async () => {
  await rig.run('h1', 'web1', 'web');
  await rig.run('h2', 'web2', 'web');
  await rig.reached('h2', 'web2', await rig.place('h1', 'web1', 'web'));
  await assert.rejects(leave({}), (e: { code?: string; message?: string }) => {
    assert.equal(e.code, 'LEAVE_BLOCKED');
    assert.match(e.message!, /web1 \(acme\/web\) is a container’s: stop it; Docker has a network on acme\/web/);
    return true;
  });
  await rig.reached('h2', 'web2', await rig.place('h1', 'web1', 'web'));
  const stays = ['Docker has a network on acme/web: docker network rm'];
  assert.deepEqual(await leave({ force: true }), { host: 'h1', stays });
  await until('the agent has ended', 20_000, async () => (rig.lab.pid('h1') === undefined ? true : undefined));
  assert.equal(await rig.docker('h1', 'inspect', '--format', '{{.State.Running}}', 'web1'), 'true');
  assert.doesNotMatch((await rig.exec('h1', 'web1', 'ip', '-br', 'link')).stdout, /eth0/);
  assert.doesNotMatch(await must(rig.lab.host('h1').argv(['ip', '-d', 'link'])), /heddle/);
  assert.doesNotMatch(await must(rig.lab.host('h1').argv(['nft', 'list', 'ruleset'])), /heddle/);
  assert.doesNotMatch(await must(rig.lab.host('h1').argv(['iptables', '-S', 'FORWARD'])), /heddle/);
  const { plugins } = rig.lab.plan.hosts[0]!.engine!;
  for (const path of [`${plugins}/heddle.sock`, `${rig.lab.plan.hosts[0]!.dir}/state`])
    assert.ok(!existsSync(path), path);
  const hosts = await rig.client.list('host');
  assert.deepEqual(
    hosts.map(({ name }) => name),
    ['h2'],
  );
  const ports = await rig.client.list('port', { tenant: 'acme' });
  assert.deepEqual(
    ports.map(({ name }) => name),
    ['web2'],
  );
});
