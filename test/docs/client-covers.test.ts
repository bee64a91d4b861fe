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
import { type Kind, kinds } from '../../src/model/kinds.ts';
import { project } from '../cli/heddle.ts';

const first = (lines: AsyncIterable<unknown>) => lines[Symbol.asyncIterator]().next();
const of = (kind: Kind) => (kinds[kind].scope === 'tenant' ? { tenant: '{tenant}' } : {});
/** A call of every method, of every kind where it has one; `request` is for the rest. */
const calls: Readonly<
  Record<Exclude<keyof Client, 'address' | 'request'>, (c: Client, kind: Kind) => Promise<unknown>>
> = {
  list: (c, kind) => c.list(kind, of(kind)),
  snapshot: (c, kind) => c.snapshot(kind, of(kind)),
  page: (c, kind) => c.page(kind, of(kind)),
  get: (c, kind) => c.get(kind, `{${kind}}`, of(kind)),
  create: (c, kind) => c.create(kind, {} as never, of(kind)),
  update: (c, kind) => c.update(kind, `{${kind}}`, {}, of(kind)),
  remove: (c, kind) => c.remove(kind, `{${kind}}`, of(kind)),
  watch: (c, kind) => first(c.watch(kind, { ...of(kind), from: 1n })),
  apply: (c) => c.apply([]),
  export: (c) => c.export(),
  history: (c, kind) => c.history(kind, `{${kind}}`, of(kind)),
  diff: (c) => c.diff('1'),
  rollback: (c) => c.rollback('1'),
  quota: (c) => c.quota('{tenant}'),
  updateQuota: (c) => c.updateQuota('{tenant}', {}),
  events: (c) => c.events(),
  followEvents: (c) => first(c.followEvents()),
  status: (c) => c.status(),
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
};
/** What monitors, agents and readers of the description ask. */
const others = [
  ...['GET /healthz', 'GET /metrics', 'GET /readyz', 'GET /v1/openapi.json', 'GET /v1/stream'],
  ...['POST /v1/join', 'POST /v1/hosts/{host}/certificate'],
];

test('the client has a method for every route, and the guide says which', async () => {
  const asked = new Set<string>();
  await using server = createServer(({ method, url }, response) => {
    asked.add(`${method} ${decodeURIComponent(new URL(url!, 'http://x').pathname)}`);
    response.end('{"items":[]}\n');
  });
  server.listen({ host: '127.0.0.1', port: 0 });
  await once(server, 'listening');
  const client = openClient(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  for (const call of Object.values(calls)) for (const kind of Object.keys(kinds) as Kind[]) await call(client, kind);
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
