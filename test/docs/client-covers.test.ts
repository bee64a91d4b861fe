/** What the client has a method for, against what the API has, and what docs/guides/client.md says. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { type Client, openClient } from '../../src/client/client.ts';
import { openapiDocument } from '../../src/controller/openapi.ts';
import { type Kind, kinds, placesOf } from '../../src/model/kinds.ts';
import { project } from '../cli/heddle.ts';

const first = (lines: AsyncIterable<unknown>) => lines[Symbol.asyncIterator]().next();
type Where = { readonly tenant?: string };
/** A call of every method, of every kind where it has one; `request` is for the rest. */
const calls: Readonly<
  Record<Exclude<keyof Client, 'address' | 'request'>, (c: Client, kind: Kind, where: Where) => Promise<unknown>>
> = {
  list: (c, kind, where) => c.list(kind, where),
  snapshot: (c, kind, where) => c.snapshot(kind, where),
  page: (c, kind, where) => c.page(kind, where),
  get: (c, kind, where) => c.get(kind, `{${kind}}`, where),
  create: (c, kind, where) => c.create(kind, {} as never, where),
  update: (c, kind, where) => c.update(kind, `{${kind}}`, {}, where),
  remove: (c, kind, where) => c.remove(kind, `{${kind}}`, where),
  watch: (c, kind, where) => first(c.watch(kind, { ...where, from: 1n })),
  apply: (c) => c.apply([]),
  export: (c) => c.export(),
  history: (c, kind, where) => c.history(kind, `{${kind}}`, where),
  diff: (c) => c.diff('1'),
  rollback: (c) => c.rollback('1'),
  quota: (c) => c.quota('{tenant}'),
  updateQuota: (c) => c.updateQuota('{tenant}', {}),
  events: (c) => c.events(),
  followEvents: (c) => first(c.followEvents()),
  status: (c) => c.status(),
  audit: (c) => c.audit(),
  auditRecords: (c) => first(c.auditRecords()),
  followAudit: (c) => first(c.followAudit()),
  authority: (c) => c.authority(),
  authorityStatus: (c) => c.authorityStatus(),
  rotateAuthority: (c) => c.rotateAuthority(),
  retireAuthority: (c) => c.retireAuthority(),
  hostTokens: (c) => c.hostTokens(),
  createHostToken: (c) => c.createHostToken({}),
  deleteHostToken: (c) => c.deleteHostToken('{token}'),
  revokeHost: (c) => c.revokeHost('{host}'),
  loginSettings: (c) => c.loginSettings(),
  whoami: (c) => c.whoami(),
  tokens: (c) => c.tokens(),
  createToken: (c) => c.createToken({}),
  deleteToken: (c) => c.deleteToken('{token}'),
};
/** What monitors, agents and readers of the description ask. */
const others = [
  ...['GET /healthz', 'GET /metrics', 'GET /readyz', 'GET /v1/openapi.json', 'GET /v1/stream'],
  ...['POST /v1/join', 'POST /v1/hosts/{host}/certificate', 'POST /v1/hosts/{host}/refusals'],
];

test('the client has a method for every route, and the guide says which', async () => {
  const asked = new Set<string>();
  await using server = createServer(({ method, url }, response) => {
    asked.add(`${method} ${decodeURIComponent(new URL(url!, 'http://x').pathname)}`);
    const isWatch = new URL(url!, 'http://x').searchParams.has('watch');
    response.end(isWatch ? '{"type":"put","revision":"2","object":{"id":"x"}}\n' : '{"items":[]}\n');
  });
  server.listen({ host: '127.0.0.1', port: 0 });
  await once(server, 'listening');
  const client = openClient(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  for (const call of Object.values(calls))
    for (const kind of Object.keys(kinds) as Kind[])
      for (const place of placesOf(kind)) await call(client, kind, place === 'tenant' ? { tenant: '{tenant}' } : {});
  server.closeAllConnections();

  const described = Object.entries(openapiDocument().paths).flatMap(([path, operations]) =>
    Object.keys(operations).map((method) => `${method.toUpperCase()} ${path}`),
  );
  assert.deepEqual([...asked, ...others].sort(), described.sort());

  const page = readFileSync(join(project, 'docs/guides/client.md'), 'utf8');
  const table = page.slice(page.indexOf('| call |')).split('\n\n')[0]!;
  const named = table.split('\n').flatMap((row) => [...row.split('|')[1]!.matchAll(/`(\w+)`/g)].map((m) => m[1]!));
  assert.deepEqual(named.sort(), Object.keys({ ...calls, request: 0 }).sort());
});
