import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ObjectChange } from '../model/change.ts';
import { differenceText, doneText, planText } from './change-text.ts';

const io = { out: () => undefined, err: () => undefined, colour: false, signal: new AbortController().signal };
const changes: ObjectChange[] = [
  {
    ...{ action: 'create', kind: 'port', tenant: 'acme', name: 'p1' },
    fields: [
      { field: 'network', after: 'n-1' },
      { field: 'publish', after: [] },
      { field: 'ephemeral', after: false },
    ],
  },
  {
    ...{ action: 'update', kind: 'router', id: 'r-1', tenant: 'acme', name: 'r1' },
    fields: [
      { field: 'subnets', before: ['s-1'], after: ['s-1', 's-2'] },
      { field: 'labels.tier', before: 'a\u001b[31m' },
    ],
  },
  { action: 'delete', kind: 'tenant', id: 't-1', name: 'old', fields: [{ field: 'labels.a', before: 'b' }] },
  { action: 'adopt', kind: 'network', id: 'n-1', tenant: 'acme', name: 'web', fields: [] },
  { action: 'unchanged', kind: 'host', id: 'h-1', name: 'h1', fields: [] },
];

test('what was done is a line for each object, and their number', () => {
  assert.equal(
    doneText({ changes, revision: '12' }, false),
    `port acme/p1 created
router acme/r1 updated: subnets, labels.tier
tenant old deleted
network acme/web adopted
1 created, 1 updated, 1 deleted, 1 adopted, 1 unchanged (revision 12)
`,
  );
  assert.match(
    doneText({ changes, revision: '12' }, true),
    /^port acme\/p1 would be created$.*; nothing was written$/ms,
  );
  assert.equal(doneText({ changes: [], revision: '12' }, false), 'nothing differs (revision 12)\n');
});

test('what is different has every field that changed, names for ids, and nothing that moves a terminal', () => {
  const names = new Map(Object.entries({ 'n-1': 'web', 's-1': 'v4', 's-2': 'v6' }));
  assert.equal(
    differenceText(io, changes, names),
    `+ port acme/p1
    network: web
~ router acme/r1
    subnets: ["v4"] -> ["v4","v6"]
    labels.tier: a?[31m -> none
- tenant old
`,
  );
});

test('what a host would know otherwise has the same signs', () => {
  const item = { kind: 'network', name: 'web' };
  const items = (['create', 'update', 'delete'] as const).map((action) => ({ action, ...item }));
  assert.equal(planText(io, [{ host: 'h1', items }]), '\nhost h1\n  + network web\n  ~ network web\n  - network web\n');
});
