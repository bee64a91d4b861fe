/** A lab with nothing wrong: the doctor says so, everywhere, and leaves nothing behind. */
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { after, test } from 'node:test';
import { checks } from '../../src/agent/doctor/all.ts';
import { netnsPath, netnsPrefix } from '../../src/lab/plan.ts';
import { Rig } from '../agent/rig.ts';
import { FakeResolver } from '../dns/fake-resolver.ts';
import { patience } from '../traffic/stage.ts';
import { askDoctor, nameResolver } from './ask-doctor.ts';

// On an interpreted processor everything takes longer.
const rig = await Rig.open({ hosts: 2, deadlineMs: 30_000 * patience });
after(() => rig[Symbol.asyncDispose]());
const { lab } = rig;
const resolver = new FakeResolver(netnsPath(lab.plan.netns), '198.18.0.254');
after(() => resolver[Symbol.dispose]());
for (const { name } of lab.hosts) nameResolver(rig.stateDir(name), '198.18.0.254');

/** What a doctor could leave of itself. */
const traces = (host: string) => ({
  links: rig.links(host),
  namespaces: readdirSync('/run/netns').filter((name) => name.startsWith(netnsPrefix(lab.name))),
  pins: readdirSync(rig.pins(host)).sort(),
});

test('all is well on every host, and the paths carry whole packets', async () => {
  const w = await rig.workload();
  await rig.attach('h1', { target: w.path });
  for (const host of lab.hosts) {
    const before = traces(host.name);
    const { code, grade, lines, checks: done } = await askDoctor(host);
    assert.equal(grade, 'ok', lines.filter((line) => !/^\S+ ok/.test(line)).join('\n'));
    assert.equal(code, 0);
    assert.deepEqual(
      done.map(({ check }) => check),
      checks.map(({ name }) => name),
    );
    const other = host.name === 'h1' ? 'h2 (198.18.0.2)' : 'h1 (198.18.0.1)';
    assert.ok(lines.includes(`path ok ${other}: 1500 bytes arrive`), lines.join('\n'));
    assert.deepEqual(traces(host.name), before);
  }
});

test('what was probed is counted as no drop', async () => {
  const { counters } = await rig.status('h1');
  assert.deepEqual(
    Object.keys((counters as { reasons: Record<string, string> }).reasons).filter((reason) =>
      /^(inner|vxlan)/.test(reason),
    ),
    [],
  );
});
