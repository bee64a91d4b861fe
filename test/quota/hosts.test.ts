/** A tenant's quota at its hosts: what is made there first is refused when the controller hears of it, and says so. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { until } from '../../src/lab/processes.ts';
import type { HeddleError, Problem } from '../../src/model/errors.ts';
import type { AttachmentList } from '../../src/model/local-api.ts';
import { Rig } from '../agent/rig.ts';
import { project } from '../cli/heddle.ts';
import { untilEqual } from '../until-equal.ts';

const rig = await Rig.open();
after(() => rig[Symbol.asyncDispose]());
const { lab, client, tenant } = rig;
const limit = (limits: object) => client.request('PATCH', `/v1/tenants/${tenant}/quota`, { body: { limits } });
const ports = async (): Promise<string[]> => (await client.list('port', { tenant })).map(({ id }) => id).sort();

/** Somebody to talk to, on the other host. */
const far = await rig.workload();
const onH2 = await rig.attach('h2', { target: far.path });

test('A27: an attach beyond the quota is refused with whose limit it is, and leaves nothing', async () => {
  await using w = await rig.workload();
  await using more = await rig.workload();
  await limit({ ports: 2 });
  const first = await rig.attach('h1', { target: w.path });
  const before = await ports();
  const refusal = { tenant: 'acme', of: 'ports', limit: 2, used: 2, wanted: 1 };
  await assert.rejects(rig.attach('h1', { target: more.path }), (e: HeddleError) => {
    assert.deepEqual([e.code, e.details], ['QUOTA_EXCEEDED', refusal]);
    return true;
  });
  assert.deepEqual(
    more.inside().links.map((l) => l.name),
    ['lo'],
  );
  assert.deepEqual(await ports(), before);
  assert.ok(await w.reaches(onH2.port.addresses[0]!, 10), 'the one that was there goes on');
  await limit({ ports: 3 });
  const second = await rig.attach('h1', { target: more.path });
  assert.ok(await more.reaches(onH2.port.addresses[0]!, 10), 'and with more room it is made');
  for (const { port } of [first, second]) await rig.detach('h1', port.id);
});

test('of what was attached while the controller was away, as much stays as there is room for; the rest is cut off', async () => {
  await using a = await rig.workload();
  await using b = await rig.workload();
  await using keeper = await rig.workload();
  await limit({ ports: null });
  const kept = await rig.attach('h1', { target: keeper.path }); // keeps the lease
  await limit({ ports: 3 });
  await lab.kill('controller');
  const first = await rig.attach('h1', { target: a.path });
  const second = await rig.attach('h1', { target: b.path });
  assert.ok(await b.reaches(kept.port.addresses[0]!, 10), 'nobody is there to count');
  await lab.start('controller');
  await lab.ready('controller');
  const refused = await until('the port beyond the quota is refused', 30_000, () => refusalOf(second.port.id));
  assert.match(`${refused.code} ${refused.detail}`, /^QUOTA_EXCEEDED quota of tenant acme: 3 of 3 ports in use/);
  await until('it is cut off', 30_000, async () => ((await b.reaches(kept.port.addresses[0]!, 1)) ? undefined : true));
  const { notUp } = (await rig.status('h1')).ports;
  assert.deepEqual(
    notUp.map(({ id, code }) => [id, code]),
    [[second.port.id, 'QUOTA_EXCEEDED']],
  );
  // The controller has no such port; its host tells of it.
  await until('heddle status names it, on any host', 20_000, async () => {
    const { stdout } = await lab.host('h2').exec([`${project}/heddle`, 'status']);
    return /^error +host h1: port: acme\/\S+: QUOTA_EXCEEDED: quota of tenant acme/m.test(stdout) ? true : undefined;
  });
  assert.ok(await a.reaches(kept.port.addresses[0]!, 10), 'the one for which there was room goes on');
  assert.deepEqual(await ports(), [first, kept, onH2].map(({ port }) => port.id).sort());
  for (const { port } of [first, second, kept]) await rig.detach('h1', port.id);
  await untilEqual([onH2.port.id], 20_000, ports);
});

/** Why the controller refused a port that h1 had made; undefined if it did not. */
async function refusalOf(port: string): Promise<Pick<Problem, 'code' | 'detail'> | undefined> {
  const { items } = (await rig.local('h1', 'GET', '/v1/attachments')) as AttachmentList;
  return items.find((a) => a.port === port)?.local?.refused;
}
