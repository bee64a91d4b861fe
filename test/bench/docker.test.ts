import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DockerResult } from '../../bench/docker.ts';
import { run } from '../../src/lab/run.ts';
import { bench, leftovers } from './bench.ts';

test('the Docker benchmark prints one JSON object with every figure of each network, and removes its lab', async () => {
  const { code, stdout, stderr } = await run([...bench, 'docker', '--json', '--quick']);
  assert.equal(code, 0, stderr);
  const result = JSON.parse(stdout) as DockerResult;
  const local = ['run_ms', 'connect_ms', 'disconnect_ms'];
  const across = ['reach_ms', 'rr_us', 'crr_us', 'tcp_gbps', 'udp_pps'];
  assert.deepEqual(Object.keys(result.networks.bridge), local);
  for (const name of ['heddle', 'overlay'] as const)
    assert.deepEqual(Object.keys(result.networks[name]), [...local, ...across]);
  assert.deepEqual(Object.keys(result.networks.direct), [...local, 'reach_ms']);
  assert.equal(result.direct_ratios['connect_ms/bridge']! > 0, true);
  assert.deepEqual(
    Object.keys(result.ratios).toSorted(),
    [...local.map((f) => `${f}/bridge`), ...[...local, ...across].map((f) => `${f}/overlay`)].toSorted(),
  );
  // What is left of one `docker run` may be less than nothing on a busy machine.
  for (const [name, figures] of Object.entries(result.networks))
    for (const [figure, { min, median, max }] of Object.entries(figures))
      assert.ok((figure === 'run_ms' || min > 0) && min <= median && median <= max, `${name} ${figure}`);
  assert.deepEqual(leftovers(stderr), []);
});
