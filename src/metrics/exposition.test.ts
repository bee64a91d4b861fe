import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { Counts, Durations } from './counts.ts';
import { Exposition } from './exposition.ts';
import { exposeProcess } from './process.ts';
import { type MetricName, metrics, metricsPage } from './table.ts';

test('samples of a metric stand together behind its help and type, in the table’s order', () => {
  const into = new Exposition();
  into.set('heddle_objects', 2, { kind: 'port' });
  into.set('heddle_store_revision', 18_446_744_073_709_551_615n);
  into.set('heddle_objects', 1, { kind: 'host' });
  assert.equal(
    into.text(),
    `# HELP heddle_store_revision ${metrics.heddle_store_revision.help}
# TYPE heddle_store_revision gauge
heddle_store_revision 18446744073709551615
# HELP heddle_objects ${metrics.heddle_objects.help}
# TYPE heddle_objects gauge
heddle_objects{kind="port"} 2
heddle_objects{kind="host"} 1
`,
  );
});

test('quotes, backslashes and line ends in a label’s value are escaped', () => {
  const into = new Exposition();
  into.set('heddle_objects', 1, { kind: 'a"b\\c\nd' });
  assert.match(into.text(), /^heddle_objects\{kind="a\\"b\\\\c\\nd"\} 1$/m);
});

test('counts go by all labels, and a bucket has all that is not above its bound', () => {
  const counts = new Counts('heddle_store_changes_total');
  counts.add({ kind: 'port', change: 'created' });
  counts.add({ kind: 'port', change: 'created' }, 2);
  counts.add({ kind: 'port', change: 'deleted' });
  const durations = new Durations('heddle_http_request_duration_seconds');
  for (const seconds of [0.001, 0.0011, 99]) durations.observe({ route: '/v1/hosts', method: 'GET' }, seconds);
  const into = new Exposition();
  counts.expose(into);
  durations.expose(into);
  const text = into.text();
  assert.match(text, /^heddle_store_changes_total\{kind="port",change="created"\} 3$/m);
  assert.match(text, /^heddle_store_changes_total\{kind="port",change="deleted"\} 1$/m);
  const buckets = [...text.matchAll(/_bucket\{route="\/v1\/hosts",method="GET",le="(.*)"\} (\d+)$/gm)];
  assert.deepEqual(
    buckets.slice(0, 2).map((b) => b.slice(1)),
    [
      ['0.001', '1'],
      ['0.0025', '2'],
    ],
  );
  assert.deepEqual(buckets.at(-1)?.slice(1), ['+Inf', '3']);
  assert.match(text, /_count\{route="\/v1\/hosts",method="GET"\} 3$/m);
  assert.match(text, /_sum\{route="\/v1\/hosts",method="GET"\} 99\.0021/);
});

test('names keep to Prometheus’ conventions', () => {
  for (const [name, { type, labels, help }] of Object.entries(metrics)) {
    assert.match(name, /^(heddle|process|nodejs)_[a-z0-9_]+$/);
    assert.equal(name.endsWith('_total'), type === 'counter', `${name}: a counter ends with _total, and nothing else`);
    if (type === 'histogram') assert.match(name, /_seconds$/);
    for (const label of labels as readonly string[]) assert.match(label, /^(?!le$)[a-z]+$/);
    assert.match(help, /^[A-Z0-9][^\n|]*\.$|reasons\.md\.$/, name);
  }
});

test('bounds of buckets rise', () => {
  for (const name of Object.keys(metrics) as MetricName[]) {
    const spec = metrics[name];
    if (spec.type !== 'histogram') continue;
    assert.deepEqual(
      spec.bounds,
      spec.bounds.toSorted((a, b) => a - b),
    );
  }
});

test('a process tells of itself in numbers', () => {
  const into = new Exposition();
  exposeProcess(into, '1.2.3');
  const samples = into
    .text()
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'));
  assert.equal(samples.length, 7);
  for (const sample of samples) assert.ok(Number(sample.split(' ').at(-1)) >= 0, sample);
  assert.match(into.text(), /^heddle_build_info\{version="1\.2\.3",node="v\d+/m);
});

test('docs/reference/metrics.md is what the table generates', () => {
  const page = new URL('../../docs/reference/metrics.md', import.meta.url);
  assert.equal(readFileSync(page, 'utf8'), metricsPage(), 'run: npm run generate');
});
