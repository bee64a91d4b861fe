/**
 * What is recorded of each route: the list comes from the table of routes, so that a new one is looked at too. What it writes,
 * and what it refuses, each has its record, and one only.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { AuditRecord } from '../model/audit.ts';
import { isBookkeeping } from './keys.ts';
import { openapiPathOf } from './paths.ts';
import { routeRights } from './route-rights.ts';
import type { TestApi, TestClient } from './test-api.ts';
import { during } from './test-audit.ts';
import { type Furnished, hostOf, openTwoTenants, users } from './test-principals.ts';
import { bodiless, isInTenant, legalBody, legalPath, legalQuery, nameOf, type Route, routes } from './test-routes.ts';

const writes = routes.filter(({ method }) => method !== 'GET');
const streams = ['GET /v1/stream'];
/** It writes nothing, but what a host refused. */
const tells = 'POST /v1/hosts/:host/refusals';
const rightOf = (route: Route) => routeRights.get(openapiPathOf(nameOf(route)));

function send(api: Furnished, route: Route, as: TestClient, query = legalQuery[nameOf(route)]) {
  const path = `${legalPath(api, route)}${query ? `?${query}` : ''}`;
  const body = bodiless.includes(nameOf(route)) ? undefined : legalBody(api, route);
  return as.request(route.method, path, body, { 'x-request-id': 'r1' });
}
/** The things that were written since a revision, by revision: what is no bookkeeping. */
async function writtenSince(api: TestApi, from: bigint): Promise<string[]> {
  const written: string[] = [];
  const { revision: to } = await api.store.extent();
  if (to > from)
    for await (const { revision, changes } of api.store.watch('/', from + 1n)) {
      const keys = changes.map(({ key }) => key).filter((key) => !isBookkeeping(key));
      written.push(...keys.map((key) => `${revision} ${key.slice(key.lastIndexOf('/') + 1)}`));
      if (revision === to) break;
    }
  return written.sort();
}

describe('a write has a record of each thing that it wrote, with who it was', () => {
  for (const route of writes.filter((each) => nameOf(each) !== tells))
    it(nameOf(route), async () => {
      await using api = await openTwoTenants();
      const { revision } = await api.store.extent();
      let twin: Awaited<ReturnType<typeof send>> | undefined;
      const isJoin = nameOf(route) === 'POST /v1/join';
      const isHosts = rightOf(route) === 'agent';
      const client = api.as(isJoin ? undefined : isHosts ? hostOf(api, 'it') : users.admin);
      const records = await during(api, async () => {
        twin = await send(api, route, client);
      });
      assert.ok(twin!.status < 300, JSON.stringify(twin!.body));
      const written = await writtenSince(api, revision);
      assert.deepEqual(records.map((r) => `${r.revision} ${r.object ?? 'ca'}`).sort(), written);
      const who = isJoin
        ? { kind: 'joiner', name: api.made.joinTokenId }
        : isHosts
          ? { kind: 'host', name: 'it' }
          : { kind: 'user', name: 'root' };
      for (const record of records) {
        const { method, route: path, from, requestId } = record;
        assert.deepEqual(
          [record.who, method, path, from, requestId],
          [who, route.method, openapiPathOf(route.url), '127.0.0.1', 'r1'],
        );
        assert.notEqual(record.action, 'refused');
        assert.ok(record.fields);
      }
      const isOne = /^(POST|PATCH|DELETE) .*(s|quota|:\w+)$/.test(nameOf(route)) && !isJoin;
      if (isOne) assert.equal(records.length, 1, JSON.stringify(records));
    });
});

describe('a refusal has one record, with its code', () => {
  for (const route of writes)
    it(`${nameOf(route)}, of what is wrong, of who may not, and of nobody`, async () => {
      await using api = await openTwoTenants();
      const { revision } = await api.store.extent();
      const one = async (client: TestClient, query?: string) => {
        let answer: Awaited<ReturnType<typeof send>> | undefined;
        const records = await during(api, async () => {
          answer = await send(api, route, client, query);
        });
        assert.equal(records.length, 1, JSON.stringify(records));
        const { action, code, method, route: path, requestId, revision: made } = records[0]!;
        assert.deepEqual(
          [action, code, method, path, requestId, made],
          ['refused', answer!.body.code, route.method, openapiPathOf(route.url), 'r1', undefined],
        );
        return { ...records[0]!, status: answer!.status };
      };
      const wrong = await one(api, 'colour=red');
      assert.equal(wrong.code, 'INVALID');
      // Whoever asks to join is nobody before its token is looked at.
      assert.equal(wrong.who.kind, nameOf(route) === 'POST /v1/join' ? 'nobody' : 'local');
      if (isInTenant(route)) assert.equal(wrong.tenantName, 'acme');
      if (rightOf(route) !== 'anyone') {
        const stranger = await one(api.as(users.none), 'colour=red');
        assert.deepEqual(stranger.who, { kind: 'user', name: 'nora' });
        const nobody = await one(api.as(undefined));
        assert.deepEqual([nobody.code, nobody.who], ['UNAUTHENTICATED', { kind: 'nobody' }]);
        assert.equal(nobody.tenant, undefined, 'a stranger fills no tenant’s log');
      }
      assert.deepEqual(await writtenSince(api, revision), []);
    });
});

describe('a read has a record only if somebody may not', () => {
  for (const route of routes.filter((each) => each.method === 'GET' && !streams.includes(nameOf(each))))
    it(nameOf(route), async () => {
      await using api = await openTwoTenants();
      const read = (client: TestClient, path = legalPath(api, route)) =>
        during(api, () =>
          client.request('GET', `${path}${legalQuery[nameOf(route)] ? `?${legalQuery[nameOf(route)]}` : ''}`),
        );
      assert.deepEqual(await read(api), []);
      if (rightOf(route) !== 'anyone') {
        const [nobody, ...more] = await read(api.as(undefined));
        assert.deepEqual([nobody?.code, nobody?.who.kind, more.length], ['UNAUTHENTICATED', 'nobody', 0]);
      }
      if (!route.url.includes(':')) return;
      assert.deepEqual(await read(api, legalPath(api, route).replace(/[^/]+$/, 'there-is-none')), [], 'is not there');
      if (!isInTenant(route)) return;
      const hidden = await read(api.as(users.viewer), legalPath(api, route, 'globex'));
      assert.equal(hidden.length, 1, 'of a tenant that the principal does not see');
      const [{ code, tenantName, who } = {} as AuditRecord] = hidden;
      assert.deepEqual([code, tenantName, who], ['NOT_FOUND', 'globex', { kind: 'user', name: 'vic' }]);
      const guessed = await read(api.as(users.viewer), legalPath(api, route, 'none'));
      const found = guessed.map(({ code, tenant, tenantName }) => [code, tenant, tenantName]);
      assert.deepEqual(found, [['NOT_FOUND', undefined, 'none']], 'of one that is not there, the same');
    });
});
