/** A controller in memory for tests: requests without a socket. */
import assert from 'node:assert/strict';
import type { InjectOptions } from 'fastify';
import { pino } from 'pino';
import type { AuditRecord } from '../model/audit.ts';
import type { Code, Problem } from '../model/errors.ts';
import type { Store } from '../store/contract.ts';
import { openSqlite } from '../store/sqlite.ts';
import type { Identify } from './admission.ts';
import { type AssembleOptions, type Assembly, assemble } from './assemble.ts';
import { type Principal, rootHere } from './principal.ts';
import { bearerOf } from './tokens.ts';

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, unknown>>;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of every shape
  readonly body: any;
}
export type Method = 'GET' | 'POST' | 'PATCH' | 'DELETE';

/** Requests of one principal. */
export interface TestClient {
  request(method: Method, path: string, body?: unknown, headers?: Record<string, string>): Promise<Answer>;
  /** The same, and it must succeed. @returns the answer's body */
  ok(method: Method, path: string, body?: unknown): Promise<Answer['body']>;
  /**
   * The same, and it must be refused with a code, and nothing written but its record: of every write, and of a read for want of
   * rights, one, of whoever asks. @returns the problem's details
   */
  refused(
    code: Code,
    method: Method,
    path: string,
    body?: unknown,
    headers?: Record<string, string>,
  ): Promise<Problem['details']>;
  /** A read of what is hidden from whoever asks: as if it were not there, and recorded. @returns the problem's details */
  hidden(path: string): Promise<Problem['details']>;
}

export interface TestApi extends AsyncDisposable, Omit<Assembly, keyof AsyncDisposable>, TestClient {
  readonly store: Store;
  /** The same as another principal; undefined: as nobody. Without it requests are root's. */
  as(principal: Principal | undefined): TestClient;
}

/** What a request is told to be of; a test alone believes it. */
export const asHeader = 'x-test-principal';

/** As the principal that a test names, or the token that it shows. */
export const identifyAsTold: Identify = async ({ headers }, world, now) => {
  const told = headers[asHeader];
  if (headers.authorization !== undefined) return bearerOf(world, { headers }, now);
  return told === undefined ? rootHere : (JSON.parse(String(told)) ?? undefined);
};

export async function openTestApi(options: Partial<AssembleOptions> & { store?: Store } = {}): Promise<TestApi> {
  const store = options.store ?? (await openSqlite(':memory:'));
  const failures: unknown[] = [];
  const log = pino({ level: 'silent' });
  // Every answer is as things are, not as they were a moment ago.
  const shared = { mostMs: 0 };
  const onFatal = (cause: unknown) => failures.push(cause);
  const assembly = await assemble(store, { log, onFatal, shared, identify: identifyAsTold, ...options });
  const { app, world } = assembly;
  let refusals = 0;

  /** Answers what was refused to a request, and its records: what each is of. */
  const recorded = async (ask: (requestId: string) => Promise<Answer>) => {
    const { last } = await store.audit.extent();
    const requestId = `refusal-${++refusals}`;
    const answer = await ask(requestId);
    await assembly.audit.settled();
    const { entries } = await store.audit.read({ request: requestId }, { limit: 10, after: last });
    return { answer, records: entries.map(({ record }) => JSON.parse(record) as AuditRecord) };
  };

  const clientOf = (own: Record<string, string>): TestClient => {
    const request: TestClient['request'] = async (method, path, body, headers = {}) => {
      const json = typeof body === 'string' ? body : JSON.stringify(body);
      const all = { ...own, ...headers };
      const payload: Partial<InjectOptions> =
        body === undefined ? {} : { payload: json, headers: { 'content-type': 'application/json', ...all } };
      const response = await app.inject({ method, url: path, headers: all, ...payload });
      const text = response.payload;
      return {
        status: response.statusCode,
        headers: response.headers,
        body: text !== '' && /json/.test(String(response.headers['content-type'])) ? JSON.parse(text) : text,
      };
    };
    return {
      request,
      async ok(method, path, body) {
        const answer = await request(method, path, body);
        assert.ok(answer.status < 300, `${method} ${path}: ${JSON.stringify(answer.body)}`);
        return answer.body;
      },
      async refused(code, method, path, body, headers) {
        const before = await store.range('/');
        const { answer, records } = await recorded((id) =>
          request(method, path, body, { ...headers, 'x-request-id': id }),
        );
        assert.equal(answer.body.code, code, `${method} ${path}: ${JSON.stringify(answer.body)}`);
        assert.equal(answer.status, answer.body.status);
        assert.equal(answer.headers['content-type'], 'application/problem+json; charset=utf-8');
        const after = await store.range('/');
        assert.deepEqual(after, before, 'nothing changed');
        assert.equal(world.revision, before.revision);
        if (method !== 'GET' || answer.status === 401 || answer.status === 403)
          assertRecord(records, { code, method, who: own[asHeader] });
        return answer.body.details;
      },
      async hidden(path) {
        const { answer, records } = await recorded((id) => request('GET', path, undefined, { 'x-request-id': id }));
        assert.equal(answer.body.code, 'NOT_FOUND', `${path}: ${JSON.stringify(answer.body)}`);
        assertRecord(records, { code: 'NOT_FOUND', method: 'GET', who: own[asHeader] });
        return answer.body.details;
      },
    };
  };
  return {
    ...assembly,
    store,
    ...clientOf({}),
    as: (principal) => clientOf({ [asHeader]: JSON.stringify(principal ?? null) }),
    async [Symbol.asyncDispose]() {
      await assembly[Symbol.asyncDispose]();
      if (!options.store) await store[Symbol.asyncDispose]();
      assert.deepEqual(failures, []);
    },
  };
}

/** One record of a refusal, of whoever the request is told to be of; undefined: it says so itself. */
function assertRecord(
  records: readonly AuditRecord[],
  { code, method, who }: { readonly code: Code; readonly method: Method; readonly who: string | undefined },
): void {
  const found = records.map((each) => [each.action, each.code, each.method]);
  assert.deepEqual(found, [['refused', code, method]], 'a refusal has one record');
  if (who === undefined) return;
  const told = JSON.parse(who) as Principal | null;
  const { kind, name } = records[0]!.who;
  if (told) assert.deepEqual([kind, name], [told.kind, told.name], 'it is of whoever asked');
  else assert.ok(kind === 'nobody' || kind === 'joiner', `${kind} is nobody`);
}

/** Tenant acme with network web, 10.0.0.0/24 and fd00::/64, and hosts h1 and h2. */
export async function openFurnishedApi(options: Parameters<typeof openTestApi>[0] = {}): Promise<TestApi> {
  const api = await openTestApi(options);
  await api.ok('POST', '/v1/tenants', { name: 'acme' });
  await api.ok('POST', '/v1/tenants/acme/networks', { name: 'web' });
  await api.ok('POST', '/v1/tenants/acme/subnets', { name: 'v4', network: 'web', cidr: '10.0.0.0/24' });
  await api.ok('POST', '/v1/tenants/acme/subnets', { name: 'v6', network: 'web', cidr: 'fd00::/64' });
  for (const n of [1, 2]) await api.ok('POST', '/v1/hosts', { name: `h${n}`, vtep: `198.18.0.${n}` });
  return api;
}
