import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { it } from 'node:test';
import { type AuditRecord, whoText } from '../model/audit.ts';
import { hasCode } from '../model/errors.ts';
import { auditCommand } from './audit-command.ts';
import { subjectText, whatText } from './audit-text.ts';

const made: AuditRecord = {
  ...{ id: '1', at: '2026-01-31T08:00:00.000Z', action: 'create', who: { kind: 'user', name: 'ann' } },
  ...{ from: '192.0.2.7', kind: 'port', object: 'id1', name: 'db', tenant: 't', tenantName: 'acme', revision: '7' },
  fields: [
    { field: 'ephemeral', after: false },
    { field: 'mac', after: '02:00:00:00:00:01' },
    { field: 'userData', withheld: 'secret' },
  ],
};
const record = (about: Partial<AuditRecord>): AuditRecord => ({ ...made, ...about });

it('says each sort of record in one line', () => {
  assert.equal(whatText(made), 'mac: 02:00:00:00:00:01; userData (not shown)');
  const changed = record({
    action: 'update',
    fields: [{ field: 'mtuBytes', before: 1500, after: 1400 }],
    moreFields: 3,
  });
  assert.equal(whatText(changed), 'mtuBytes: 1500 -> 1400; 3 more');
  assert.equal(whatText(record({ action: 'delete' })), '');
  const refused = { action: 'refused', code: 'NAME_TAKEN', method: 'POST', route: '/v1/tenants' } as const;
  assert.equal(whatText(record(refused)), 'NAME_TAKEN POST /v1/tenants');
  const told = { at: '2026-01-31T08:00:00Z', who: 'bob', asked: 'GET /networks/office', why: 'not there' };
  const byHost = { action: 'refused', code: 'ENGINE_FORBIDDEN', method: 'POST', told } as const;
  assert.equal(whatText(record(byHost)), 'ENGINE_FORBIDDEN bob: GET /networks/office: not there');
  const times = { since: '2026-01-31T08:00:00Z', until: '2026-01-31T09:00:00Z', count: 9 };
  assert.match(whatText(record({ action: 'unrecorded', ...times })), /^9 more refusals, 2026-01-31T08:/);
  assert.match(whatText(record({ action: 'forgotten', ...times })), /^9 records, 2026-01-31T08:/);
  assert.equal(subjectText(made), 'port acme/db');
  assert.equal(subjectText(record({ kind: 'tenant', name: 'acme' })), 'tenant acme');
  assert.equal(subjectText({ id: '1', at: '', action: 'refused', who: { kind: 'nobody' } }), '-');
  assert.deepEqual(
    [
      { kind: 'user', name: 'ann' } as const,
      { kind: 'local', name: 'root@c' } as const,
      { kind: 'controller' } as const,
    ].map(whoText),
    ['user:ann', 'root@c', 'controller'],
  );
});

/** Runs the command against a controller that has so many records; what it was asked and what it printed. */
async function audit(words: readonly string[], count: number) {
  const asked: string[] = [];
  const records = Array.from({ length: count }, (_, i) => record({ id: String(i + 1), name: `p${i + 1}\u001b[31m` }));
  await using server = createServer(({ url }, response) => {
    asked.push(url!);
    const query = new URL(url!, 'http://x').searchParams;
    const [after, before] = [query.get('after'), Number(query.get('before') ?? count + 1)];
    const left = records.filter(({ id }) => (after === null ? Number(id) < before : Number(id) > Number(after)));
    const items = (after === null ? left.toReversed() : left).slice(0, Number(query.get('limit')));
    const next = items.length === Number(query.get('limit')) ? { next: items.at(-1)!.id } : {};
    response.end(JSON.stringify({ keptSince: '2026-01-01T00:00:00Z', items, ...next }));
  });
  server.listen({ host: '127.0.0.1', port: 0 });
  await once(server, 'listening');
  let [out, err] = ['', ''];
  const io = {
    out: (text: string) => {
      out += text;
    },
    err: (text: string) => {
      err += text;
    },
    colour: false,
    signal: new AbortController().signal,
  };
  const controller = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  await auditCommand(io).parseAsync(['node', 'audit', ...words, '--controller', controller]);
  server.closeAllConnections();
  return { asked, out, err, lines: out.trimEnd().split('\n') };
}

it('shows the latest records, the oldest of them first, over as many pages as there are', async () => {
  const few = await audit(['--limit', '3', '--who', 'ann', '--refused'], 9);
  assert.deepEqual(
    few.lines.map((line) => line.match(/p\d/)?.[0]),
    [undefined, 'p7', 'p8', 'p9'],
  );
  assert.match(few.err, /^the latest 3; --limit shows more/);
  assert.match(few.asked[0]!, /who=ann&refused=true&limit=3$/);
  assert.ok(!few.out.includes('\u001b'), 'no control characters reach the terminal');
  const many = await audit(['--limit', '1500', '--json'], 1800);
  assert.equal(many.lines.length, 1500);
  assert.equal(many.asked.length, 2);
  assert.deepEqual([JSON.parse(many.lines[0]!).id, JSON.parse(many.lines.at(-1)!).id], ['301', '1800']);
  assert.match((await audit([], 2)).err, /^nothing is kept of what was before 2026-01-01/);
});

it('gives all of them as they are read, and no tenant of the environment has a say', async () => {
  process.env.HEDDLE_TENANT = 'acme';
  try {
    const all = await audit(['--all', '--json'], 2500);
    assert.deepEqual([all.lines.length, all.asked.length], [2500, 3]);
    assert.ok(all.asked.every((url) => !url.includes('tenant=')));
    assert.match((await audit(['--tenant', 'globex'], 1)).asked[0]!, /tenant=globex/);
  } finally {
    delete process.env.HEDDLE_TENANT;
  }
  await assert.rejects(audit(['--all', '--follow'], 1), (e) => hasCode(e, 'USAGE'));
});
