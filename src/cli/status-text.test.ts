import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Condition, Trouble } from '../model/condition.ts';
import { HeddleError } from '../model/errors.ts';
import { type Asked, type OwnStatus, ownTroubles } from './status-problems.ts';
import { statusText } from './status-text.ts';

const condition: Condition = {
  well: true,
  version: '1.2.3',
  startedAt: '2026-11-22T10:00:00Z',
  revision: '7',
  hosts: { total: 2, online: 2, offline: [] },
  ports: { total: 3, up: 2, pending: 1, error: 0, unknown: 0, unbound: 0 },
  problems: [],
  more: 0,
};
const trouble = (severity: Trouble['severity'], name: string, text: string): Trouble => ({
  problem: severity === 'error' ? 'HOST_LACKS' : 'CLOCKS_DIFFER',
  severity,
  kind: 'host',
  name,
  text,
  next: 'mend it',
});
const asked = (own: Partial<OwnStatus>, of: Partial<Condition> = {}): Asked => ({
  controller: 'unix:/c',
  condition: { ok: true, value: { ...condition, ...of } },
  socket: '/a',
  agent: { ok: true, value: { name: 'h1', ...own } },
});
const lines = (about: Asked) => statusText({ colour: false }, about).trimEnd().split('\n');
const overview = [
  'controller  ok  unix:/c, version 1.2.3, revision 7',
  'hosts       ok  2 online',
  'ports       ok  2 up, 1 pending',
  'agent       ok  /a',
];

test('where nothing is wrong there is the overview, with all leases in one line', () => {
  const leases = Array.from({ length: 50 }, (_, i) => ({ network: `acme/n${i}`, used: 1, free: 3 }));
  assert.deepEqual(lines(asked({ leases })), [
    ...overview,
    'leases      ok  50 networks: 50 addresses in use, 150 at hand',
  ]);
});

test('what is wrong comes first, errors before warnings, each with what to do', () => {
  const own = {
    troubles: [{ what: 'port', text: 'acme/web4: QUOTA_EXCEEDED: full' }],
    startWarnings: [{ check: 'disk', text: '3 MiB are left', advice: 'make room' }],
    pendingUploads: 2,
  };
  const problems = [trouble('error', 'h2', 'dns: network web: no'), trouble('warning', 'h2', 'its clock is behind')];
  assert.deepEqual(lines(asked(own, { problems })), [
    'error    host h1: port: acme/web4: QUOTA_EXCEEDED: full',
    '         the agent’s log says more',
    'error    host h2: dns: network web: no',
    '         mend it',
    'warning  host h2: its clock is behind',
    '         mend it',
    'warning  host h1, when its agent began: disk: 3 MiB are left',
    '         make room; "heddle doctor disk" says whether it is still so',
    '',
    ...overview,
    'untold      no  2 ports to tell the controller of',
  ]);
});

test('what this host lacks is said once: by the controller, or by its agent if the controller does not', () => {
  const troubles = [{ what: 'outside', text: 'no route' }];
  const said = asked({ troubles }, { problems: [trouble('error', 'h1', 'outside: no route')] });
  assert.equal(statusText({ colour: false }, said).match(/no route/g)?.length, 1);
  assert.deepEqual(ownTroubles(said), []);
  const ofAnother = asked({ troubles }, { problems: [trouble('error', 'h2', 'outside: no route')] });
  assert.deepEqual(ownTroubles(ofAnother), troubles);
  const error = new HeddleError('CONTROLLER_UNREACHABLE', { address: 'unix:/c', problem: 'gone' });
  const away = { ...said, condition: { ok: false, error } } as const;
  assert.deepEqual(lines(away), [
    'error    host h1: outside: no route',
    '         the agent’s log says more',
    '',
    `controller  no  ${error.message}`,
    'agent       ok  /a',
  ]);
});

test('more than a screen has room for is counted, with what the controller does not name', () => {
  const problems = Array.from({ length: 25 }, (_, i) => trouble('error', `h${i}`, 'no'));
  const shown = lines(asked({}, { problems, more: 100 }));
  assert.equal(shown.filter((line) => line.startsWith('error')).length, 20);
  assert.equal(shown[40], 'and 105 more: heddle status --json');
});
