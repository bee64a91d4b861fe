import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import type { DatapathResult } from '../../bench/datapath.ts';
import { run } from '../../src/lab/run.ts';
import { bench, leftovers } from './bench.ts';

test('a run prints one JSON object with a row for every path and metric, and removes what it made', async () => {
  const paths = 'host,linux-vxlan,linux-bridge-local,host-local';
  const { code, stdout, stderr } = await run([
    ...bench,
    ...['datapath', '--json', '--rounds', '1', '--seconds', '0.2', '--paths', paths],
  ]);
  assert.equal(code, 0, stderr);
  const result = JSON.parse(stdout) as DatapathResult;
  const metrics = ['rr_us', 'crr_us', 'tcp_gbps', 'udp_pps'];
  const expected = paths.split(',').flatMap((path) => metrics.map((metric) => `${path}/${metric}`));
  assert.deepEqual(result.rows.map((r) => `${r.path}/${r.metric}`).toSorted(), expected.toSorted());
  assert.deepEqual(Object.keys(result.ratios).toSorted(), expected.toSorted());
  for (const row of result.rows) assert.ok(row.min > 0 && row.min <= row.median && row.median <= row.max, row.path);
  for (const metric of metrics) assert.equal(result.ratios[`host/${metric}`], 1);
  assert.deepEqual(leftovers(stderr), []);
});

test('an interrupted run removes what it made and ends with code 130', async () => {
  const [file = '', ...args] = [
    ...bench,
    'datapath',
    '--json',
    '--rounds',
    '50',
    '--paths',
    'linux-vxlan,docker0-local',
  ];
  const child = spawn(file, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  const closed = once(child, 'close');
  let stdout = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  const said: string[] = [];
  for await (const line of createInterface({ input: child.stderr })) {
    said.push(line);
    if (line.includes('round 1 of')) child.kill('SIGINT');
  }
  const [code] = await closed;
  assert.equal(code, 130, said.join('\n'));
  assert.equal(stdout, '');
  assert.deepEqual(leftovers(said.join('\n')), []);
});

test('a path that does not exist is wrong usage, and the known ones are named', async () => {
  const { code, stderr } = await run([...bench, 'datapath', '--paths', 'token-ring']);
  assert.equal(code, 2);
  assert.match(stderr, /"token-ring" is none of host, linux-vxlan/);
});
